// Lanes are outputs; x is broadcast, two words at a time. A tile of rows x vectors sums stays in registers.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/integer_gemm/x86_avx512_vnni_results.h"
#include "kernels/integer_popcount/integer_popcount.h"

namespace qc {
namespace {

constexpr size_t kPairBytes = 4;

// The most rows whose sums leave room for weights and x among the 32 registers. So many are not needed to
// hide what an addition takes, but the fewer, the more weights are read.
constexpr size_t kMostRows[] = {12, 10, 8, 6};

// sum += the bits that a pair of words shares with those of each lane. Not intrinsics: around them the
// compiler copies sums from register to register and into memory.
inline void add_bits(__m512i& sum, __m512i pair, __m512i w) {
  __m512i bits;
  __asm__("vpandd %3, %2, %1\n\tvpopcntd %1, %1\n\tvpaddd %1, %0, %0"
          : "+v"(sum), "=&v"(bits)
          : "v"(pair), "v"(w));
}
inline void double_sum(__m512i& sum) { __asm__("vpaddd %0, %0, %0" : "+v"(sum)); }

// Pairs of words of a run. Three rows share a pointer.
template <size_t rows, size_t vectors>
QC_UNROLLED inline const uint32_t* add_run(const uint8_t* x, size_t stride, size_t pairs,
                                           const uint32_t* weights, Sums<rows, vectors>& sum) {
  constexpr size_t kPointers = (rows + 2) / 3;
  const uint8_t* pointers[kPointers];
  unroll<0, kPointers>([&](auto j) QC_UNROLLED { pointers[j.value] = x + 3 * j.value * stride; });
  for (size_t done = 0; done < pairs; ++done, weights += vectors * kLanes) {
    __m512i w[vectors];
    unroll<0, vectors>([&](auto v)
                           QC_UNROLLED { w[v.value] = _mm512_load_si512(weights + v.value * kLanes); });
    unroll<0, rows>([&](auto r) QC_UNROLLED {
      const __m512i pair = broadcast(pointers[r.value / 3] + r.value % 3 * stride);
      unroll<0, vectors>([&](auto v) QC_UNROLLED { add_bits(sum[r.value][v.value], pair, w[v.value]); });
    });
    unroll<0, kPointers>([&](auto j) QC_UNROLLED { pointers[j.value] += kPairBytes; });
  }
  return weights;
}

// The sums of the codes whose weight has code 1, from the highest plane on.
template <size_t rows, size_t vectors>
QC_UNROLLED inline void add_planes(const uint32_t* panel, const PopcountRows& source, const uint8_t* x,
                                   Sums<rows, vectors>& sum) {
  const size_t pairs = popcount_pairs(source.run_words);
  for (size_t q = source.planes; q-- > 0;) {
    unroll<0, rows * vectors>([&](auto i)
                                  QC_UNROLLED { double_sum(sum[i.value / vectors][i.value % vectors]); });
    const uint32_t* weights = panel;
    const uint8_t* const plane = x + q * source.plane_stride;
    for (size_t u = 0; u < source.runs; ++u)
      weights =
          add_run<rows, vectors>(plane + source.offsets[u], source.position_stride, pairs, weights, sum);
  }
}

using tile_fn = void (*)(const uint32_t* panel, const PopcountRows& rows, const PopcountValues& values,
                         const IntegerResults& results, size_t first);

// The results of positions [first, + rows).
template <size_t rows, size_t vectors>
void multiply_tile(const uint32_t* panel, const PopcountRows& source, const PopcountValues& values,
                   const IntegerResults& results, size_t first) {
  Sums<rows, vectors> sum;
  unroll<0, rows * vectors>(
      [&](auto i) QC_UNROLLED { sum[i.value / vectors][i.value % vectors] = _mm512_setzero_si512(); });
  const uint8_t* const x = source.x + first * source.position_stride;
  add_planes<rows, vectors>(panel, source, x, sum);
  unroll<0, rows>([&](auto r) QC_UNROLLED {
    const __m512i all = _mm512_set1_epi32(values.sums[first + r.value]);
    unroll<0, vectors>([&](auto v) QC_UNROLLED {
      const __m512i start = _mm512_loadu_si512(results.start + v.value * kLanes);
      const __m512i low = _mm512_mullo_epi32(_mm512_loadu_si512(values.low + v.value * kLanes), all);
      const __m512i step = _mm512_loadu_si512(values.step + v.value * kLanes);
      __m512i& one = sum[r.value][v.value];
      one = _mm512_add_epi32(_mm512_add_epi32(start, low), _mm512_mullo_epi32(one, step));
    });
  });
  if (results.is_float || !results.is_small) {
    alignas(64) int32_t sums[rows * vectors * kLanes];
    unroll<0, rows * vectors>([&](auto i) QC_UNROLLED {
      _mm512_store_si512(sums + i.value * kLanes, sum[i.value / vectors][i.value % vectors]);
    });
    return store_any(results, first, rows, vectors, sums);
  }
  const Epilogue epilogue = epilogue_at<vectors>(results, first);
  if (results.residual != nullptr) return store_codes<rows, vectors, true>(epilogue, sum);
  store_codes<rows, vectors, false>(epilogue, sum);
}

template <size_t vectors, size_t... index>
struct Tiles {
  static constexpr tile_fn kByRows[] = {multiply_tile<index + 1, vectors>...};
};
template <size_t vectors>
tile_fn tile_of(size_t rows);
template <>
tile_fn tile_of<1>(size_t rows) {
  return Tiles<1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11>::kByRows[rows - 1];
}
template <>
tile_fn tile_of<2>(size_t rows) {
  return Tiles<2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9>::kByRows[rows - 1];
}
template <>
tile_fn tile_of<3>(size_t rows) {
  return Tiles<3, 0, 1, 2, 3, 4, 5, 6, 7>::kByRows[rows - 1];
}
template <>
tile_fn tile_of<4>(size_t rows) {
  return Tiles<4, 0, 1, 2, 3, 4, 5>::kByRows[rows - 1];
}

// Tiles of about the same number of rows.
template <size_t vectors>
void multiply(const uint32_t* panel, const PopcountRows& rows, const PopcountValues& values,
              const IntegerResults& results) {
  constexpr size_t kMost = kMostRows[vectors - 1];
  const size_t tiles = (rows.positions + kMost - 1) / kMost;
  for (size_t tile = 0, first = 0; tile < tiles; ++tile) {
    const size_t count = (rows.positions - first) / (tiles - tile);
    tile_of<vectors>(count)(panel, rows, values, results, first);
    first += count;
  }
}

}  // namespace

void integer_popcount_avx512_vnni(const uint32_t* panel, size_t vectors, const PopcountRows& rows,
                                  const PopcountValues& values, const IntegerResults& results) {
  if (vectors == 1) return multiply<1>(panel, rows, values, results);
  if (vectors == 2) return multiply<2>(panel, rows, values, results);
  if (vectors == 3) return multiply<3>(panel, rows, values, results);
  multiply<4>(panel, rows, values, results);
}

}  // namespace qc
