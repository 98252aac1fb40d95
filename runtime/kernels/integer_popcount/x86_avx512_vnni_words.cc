// Words of bits: out of tiles, and out of the codes of x; their sums.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/integer_popcount/x86_sums.h"

namespace qc {
namespace {

constexpr size_t kTileBytes = 32, kLanes = 16, kBytes = 64;

// 32 bits of a tile hold the codes of two outputs: those of one of the first eight in its even bits, those of
// one of the others in its odd ones. Here the even bits of lane i are those of output i.
inline __m512i tile_lanes(const uint8_t* tile) {
  const __m512i odd = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  const __m512i both = _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(tile)));
  return _mm512_srlv_epi32(both, odd);
}

// Even bits of `even`, odd ones of `odd`.
inline __m512i interleave(__m512i even, __m512i odd) {
  constexpr int kChoose = 0xCA;  // mask ? even : odd
  return _mm512_ternarylogic_epi32(_mm512_set1_epi32(0x55555555), even, odd, kChoose);
}

inline __m512i low_words(const uint8_t* tile) {
  const __m512i bits = tile_lanes(tile);
  return interleave(bits, _mm512_srli_epi32(bits, 15));
}

inline __m512i high_words(const uint8_t* tile) {
  const __m512i bits = tile_lanes(tile);
  return interleave(_mm512_slli_epi32(bits, 16), _mm512_slli_epi32(bits, 1));
}

constexpr __mmask32 kLowHalves = 0x55555555;

inline void unpack_run(const uint8_t* tile, size_t words, size_t stride, uint32_t* panel) {
  size_t w = 0;
  for (; w + 2 <= words; w += 2, tile += 2 * kTileBytes, panel += stride)
    _mm512_store_si512(panel,
                       _mm512_mask_mov_epi16(high_words(tile + kTileBytes), kLowHalves, low_words(tile)));
  if (w < words) _mm512_store_si512(panel, _mm512_maskz_mov_epi16(kLowHalves, low_words(tile)));
}

// Bit j of a word is its column j of this order.
inline __m512i in_bit_order(__m512i codes) {
  const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
  return _mm512_shuffle_epi8(codes, _mm512_broadcast_i32x4(order));
}

}  // namespace

void integer_popcount_avx512_vnni_weights(const TiledWeight& weight, const PanelOfWeights& block,
                                          size_t run_words, uint32_t* panel) {
  const size_t stride = block.vectors * kLanes, run_stride = popcount_pairs(run_words) * stride;
  for (size_t v = 0; v < block.vectors; ++v) {
    const uint8_t* tile = weight.tiles + (block.first_tile + v * block.tiles) * kTileBytes;
    uint32_t* run = panel + v * kLanes;
    for (size_t done = 0; done < block.tiles; done += run_words, run += run_stride)
      unpack_run(tile + done * kTileBytes, run_words, stride, run);
  }
}

void integer_popcount_avx512_vnni_pack(const uint8_t* x, size_t count, size_t planes, uint8_t* packed,
                                       size_t plane_stride) {
  for (size_t first = 0; first < count; first += kBytes) {
    const size_t left = count - first < kBytes ? count - first : kBytes;
    const __mmask64 present = left < kBytes ? (__mmask64{1} << left) - 1 : ~__mmask64{0};
    const __m512i codes = in_bit_order(_mm512_maskz_loadu_epi8(present, x + first));
    const size_t bytes = (left + kWordColumns - 1) / kWordColumns * kWordBytes;
    for (size_t q = 0; q < planes; ++q) {
      const uint64_t bits = _mm512_test_epi8_mask(codes, _mm512_set1_epi8(static_cast<char>(1 << q)));
      uint8_t* const to = packed + q * plane_stride + first / 8;
      if (bytes == sizeof(bits)) {
        __builtin_memcpy(to, &bits, sizeof(bits));
      } else {
        __builtin_memcpy(to, &bits, bytes);
      }
    }
  }
}

void integer_popcount_avx512_vnni_sums(const uint8_t* packed, size_t count, size_t words, size_t planes,
                                       size_t plane_stride, int32_t* sums) {
  sum_codes(packed, count, words, planes, plane_stride, sums);
}

}  // namespace qc
