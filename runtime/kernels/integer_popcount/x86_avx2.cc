// Lanes are outputs; x is broadcast, two words at a time. Bits are counted by a table, four at a time.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/integer_gemm/x86_avx2_tiles.h"
#include "kernels/integer_popcount/integer_popcount.h"

namespace qc {
namespace {

constexpr size_t kPairBytes = 4, kHalves = 2;
constexpr size_t kRows = 3;        // of a tile: what they take fits 16 registers
constexpr size_t kMostPairs = 31;  // so many times eight bits are counted in a byte

// The low and the high halves of all bytes, each in a byte.
struct Nibbles {
  __m256i low, high;

  explicit Nibbles(const uint32_t* weights) {
    const __m256i all = _mm256_load_si256(reinterpret_cast<const __m256i*>(weights));
    const __m256i mask = _mm256_set1_epi8(0xf);
    low = _mm256_and_si256(all, mask);
    high = _mm256_and_si256(_mm256_srli_epi16(all, 4), mask);
  }
};

// count += the bits that x shares with the weights, in each byte.
inline __m256i add_bits(__m256i count, __m256i x, __m256i x_high, const Nibbles& w) {
  const __m256i bits =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
  count = _mm256_add_epi8(count, _mm256_shuffle_epi8(bits, _mm256_and_si256(x, w.low)));
  return _mm256_add_epi8(count, _mm256_shuffle_epi8(bits, _mm256_and_si256(x_high, w.high)));
}

inline __m256i add_bytes(__m256i count) {
  const __m256i words = _mm256_maddubs_epi16(count, _mm256_set1_epi8(1));
  return _mm256_madd_epi16(words, _mm256_set1_epi16(1));
}

inline __m256i broadcast_pair(const uint8_t* x) {
  int32_t pair;
  __builtin_memcpy(&pair, x, sizeof(pair));
  return _mm256_set1_epi32(pair);
}

// Sums of 16 outputs of some rows.
template <size_t rows>
using Sums = __m256i[rows][kHalves];

// At most kMostPairs pairs of a run of plane q.
template <size_t rows>
inline void add_pairs(const uint8_t* x, size_t stride, size_t pairs, const uint32_t* weights,
                      size_t weights_stride, size_t q, Sums<rows>& sum) {
  __m256i count[rows][kHalves];
  for (size_t r = 0; r < rows; ++r) count[r][0] = count[r][1] = _mm256_setzero_si256();
  for (size_t done = 0; done < pairs; ++done, x += kPairBytes, weights += weights_stride) {
    const Nibbles left(weights), right(weights + kHalf);
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; ++r) {
      const __m256i pair = broadcast_pair(x + r * stride), high = _mm256_srli_epi16(pair, 4);
      count[r][0] = add_bits(count[r][0], pair, high, left);
      count[r][1] = add_bits(count[r][1], pair, high, right);
    }
  }
  const __m128i shift = _mm_cvtsi32_si128(static_cast<int>(q));
  for (size_t r = 0; r < rows; ++r)
    for (size_t h = 0; h < kHalves; ++h)
      sum[r][h] = _mm256_add_epi32(sum[r][h], _mm256_sll_epi32(add_bytes(count[r][h]), shift));
}

template <size_t rows>
inline void add_planes(const uint32_t* panel, size_t vectors, const PopcountRows& source, size_t first,
                       Sums<rows>& sum) {
  const size_t pairs = popcount_pairs(source.run_words), stride = source.position_stride;
  const size_t weights_stride = vectors * kLanes;
  for (size_t q = 0; q < source.planes; ++q) {
    const uint32_t* weights = panel;
    const uint8_t* const plane = source.x + first * stride + q * source.plane_stride;
    for (size_t u = 0; u < source.runs; ++u, weights += pairs * weights_stride) {
      for (size_t done = 0; done < pairs; done += kMostPairs) {
        const size_t some = pairs - done < kMostPairs ? pairs - done : kMostPairs;
        add_pairs<rows>(plane + source.offsets[u] + done * kPairBytes, stride, some,
                        weights + done * weights_stride, weights_stride, q, sum);
      }
    }
  }
}

inline __m256i load(const int32_t* integers) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(integers));
}

// 16 outputs of `rows` positions from `first` on. `panel` is at the vector's weights.
template <size_t rows>
inline void multiply_bits(const uint32_t* panel, size_t vectors, const PopcountRows& source,
                          const PopcountValues& values, size_t first, const Finish& finish) {
  Sums<rows> sum;
  for (size_t r = 0; r < rows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  add_planes<rows>(panel, vectors, source, first, sum);
  for (size_t r = 0; r < rows; ++r) {
    const __m256i all = _mm256_set1_epi32(values.sums[first + r]);
    for (size_t h = 0; h < kHalves; ++h) {
      const size_t output = finish.first + h * kHalf;
      const __m256i low = _mm256_mullo_epi32(load(values.low + output), all);
      const __m256i chosen = _mm256_mullo_epi32(load(values.step + output), sum[r][h]);
      sum[r][h] = _mm256_add_epi32(_mm256_add_epi32(load(finish.results.start + output), low), chosen);
    }
    finish.store(first + r, sum[r][0], sum[r][1]);
  }
}

}  // namespace

void integer_popcount_avx2(const uint32_t* panel, size_t vectors, const PopcountRows& rows,
                           const PopcountValues& values, const IntegerResults& results) {
  for (size_t v = 0; v < vectors; ++v, panel += kLanes) {
    const size_t left = results.outputs - v * kLanes;
    const Finish finish = {results, v * kLanes, left < kLanes ? left : kLanes};
    size_t p = 0;
    for (; p + kRows <= rows.positions; p += kRows)
      multiply_bits<kRows>(panel, vectors, rows, values, p, finish);
    for (; p < rows.positions; ++p) multiply_bits<1>(panel, vectors, rows, values, p, finish);
  }
}

}  // namespace qc
