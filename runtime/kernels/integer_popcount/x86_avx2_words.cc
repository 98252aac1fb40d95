// Words of bits: out of tiles, and out of the codes of x; their sums.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/integer_popcount/integer_popcount.h"
#include "kernels/integer_popcount/x86_sums.h"

namespace qc {
namespace {

constexpr size_t kTileBytes = 32, kLanes = 16, kHalf = 8, kBytes = 32;

// 32 bits of a tile hold the codes of two outputs: those of one of the first eight in its even bits, those of
// one of the others in its odd ones. Here the even bits of lane i are those of output i of a half.
inline __m256i tile_lanes(const uint8_t* tile, int half) {
  return _mm256_srl_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(tile)),
                          _mm_cvtsi32_si128(half));
}

// Even bits of `even`, odd ones of `odd`.
inline __m256i interleave(__m256i even, __m256i odd) {
  const __m256i mask = _mm256_set1_epi32(0x55555555);
  return _mm256_or_si256(_mm256_and_si256(mask, even), _mm256_andnot_si256(mask, odd));
}

inline __m256i low_words(const uint8_t* tile, int half) {
  const __m256i bits = tile_lanes(tile, half);
  return interleave(bits, _mm256_srli_epi32(bits, 15));
}

inline __m256i high_words(const uint8_t* tile, int half) {
  const __m256i bits = tile_lanes(tile, half);
  return interleave(_mm256_slli_epi32(bits, 16), _mm256_slli_epi32(bits, 1));
}

// One half of 16 outputs.
inline void unpack_run(const uint8_t* tile, size_t words, int half, size_t stride, uint32_t* panel) {
  constexpr int kHighHalves = 0xaa;
  for (size_t w = 0; w < words; w += 2, tile += 2 * kTileBytes, panel += stride) {
    const __m256i high = w + 1 < words ? high_words(tile + kTileBytes, half) : _mm256_setzero_si256();
    _mm256_store_si256(reinterpret_cast<__m256i*>(panel),
                       _mm256_blend_epi16(low_words(tile, half), high, kHighHalves));
  }
}

// Bit j of a word is its column j of this order.
inline __m256i in_bit_order(__m256i codes) {
  const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
  return _mm256_shuffle_epi8(codes, _mm256_broadcastsi128_si256(order));
}

// Words of `count` codes, at most kBytes, of plane q.
inline void pack_some(__m256i ordered, size_t count, size_t q, uint8_t* to) {
  const __m128i shift = _mm_cvtsi32_si128(7 - static_cast<int>(q));  // the bit to the top of each byte
  const auto bits = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_sll_epi16(ordered, shift)));
  __builtin_memcpy(to, &bits, count > kWordColumns ? 2 * kWordBytes : kWordBytes);
}

}  // namespace

void integer_popcount_avx2_weights(const TiledWeight& weight, const PanelOfWeights& block, size_t run_words,
                                   uint32_t* panel) {
  const size_t stride = block.vectors * kLanes, run_stride = popcount_pairs(run_words) * stride;
  for (size_t v = 0; v < block.vectors; ++v) {
    const uint8_t* tile = weight.tiles + (block.first_tile + v * block.tiles) * kTileBytes;
    uint32_t* run = panel + v * kLanes;
    for (size_t done = 0; done < block.tiles; done += run_words, run += run_stride)
      for (int half = 0; half < 2; ++half)
        unpack_run(tile + done * kTileBytes, run_words, half, stride, run + (half == 0 ? 0 : kHalf));
  }
}

void integer_popcount_avx2_pack(const uint8_t* x, size_t count, size_t planes, uint8_t* packed,
                                size_t plane_stride) {
  for (size_t first = 0; first < count; first += kBytes) {
    const size_t left = count - first < kBytes ? count - first : kBytes;
    uint8_t last[kBytes] = {};
    if (left < kBytes) __builtin_memcpy(last, x + first, left);
    const uint8_t* const from = left < kBytes ? last : x + first;
    const __m256i ordered = in_bit_order(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    for (size_t q = 0; q < planes; ++q) pack_some(ordered, left, q, packed + q * plane_stride + first / 8);
  }
}

void integer_popcount_avx2_sums(const uint8_t* packed, size_t count, size_t words, size_t planes,
                                size_t plane_stride, int32_t* sums) {
  sum_codes(packed, count, words, planes, plane_stride, sums);
}

}  // namespace qc
