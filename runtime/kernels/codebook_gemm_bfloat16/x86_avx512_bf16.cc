#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/codebook_gemm_bfloat16/codebook_gemm_bfloat16.h"
#include "kernels/decode/x86_avx512_words.h"

namespace qc {
namespace {

constexpr size_t kRows = 8;       // 8 rows x 3 vectors: 24 sums, 3 of x and a broadcast pair fit 32 registers
constexpr size_t kMostRows = 16;  // of one vector: with fewer sums each addition waits for the one before it
constexpr size_t kRowWords =
    kGemmColumns + kWords;  // not a power of two: rows fall into different cache sets

// What is in the type of the intrinsics depends on the compiler: casts do not.
inline __m512 add_products(__m512 sum, __m512i a, __m512i b) {
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

inline __m512i broadcast_pair(const uint16_t* words) {
  int32_t pair;
  __builtin_memcpy(&pair, words, sizeof pair);
  return _mm512_set1_epi32(pair);
}

// sums[rows, 16 * vectors] += weights[rows, columns] * x[columns, 16 * vectors], two columns at a time
template <size_t rows, size_t vectors>
void multiply_tile(const GemmBlock& block, const uint16_t* weights, const float* x, float* sums) {
  __m512 sum[rows][vectors];
  for (size_t r = 0; r < rows; ++r)
    for (size_t v = 0; v < vectors; ++v) sum[r][v] = _mm512_loadu_ps(sums + r * block.stride + v * kLanes);
  for (size_t j = 0; j < block.columns; j += 2, x += block.stride) {
    __m512i pairs[vectors];
    for (size_t v = 0; v < vectors; ++v) pairs[v] = _mm512_loadu_si512(x + v * kLanes);
    for (size_t r = 0; r < rows; ++r) {
      const __m512i w = broadcast_pair(weights + r * kRowWords + j);
      for (size_t v = 0; v < vectors; ++v) sum[r][v] = add_products(sum[r][v], w, pairs[v]);
    }
  }
  for (size_t r = 0; r < rows; ++r)
    for (size_t v = 0; v < vectors; ++v) _mm512_storeu_ps(sums + r * block.stride + v * kLanes, sum[r][v]);
}

// Tiles of three vectors; four at the end become two and two, for a tile of one waits for its own additions.
template <size_t rows>
void multiply_rows(const GemmBlock& block, const uint16_t* weights, const float* x, float* sums) {
  for (size_t p = 0; p < block.positions;) {
    const size_t left = (block.positions - p) / kLanes;
    const size_t vectors = left >= 5 || left == 3 ? 3 : left >= 2 ? 2 : 1;
    if (vectors == 3) multiply_tile<rows, 3>(block, weights, x + p, sums + p);
    if (vectors == 2) multiply_tile<rows, 2>(block, weights, x + p, sums + p);
    if (vectors == 1) multiply_tile<rows, 1>(block, weights, x + p, sums + p);
    p += vectors * kLanes;
  }
}

template <size_t bits>
void multiply(const PackedRows& weight, const GemmBlock& block, const float* x, float* sums) {
  alignas(64) uint16_t weights[kMostRows * kRowWords];
  const size_t most = block.positions == kLanes ? kMostRows : kRows;
  for (size_t i = 0; i < block.rows;) {
    const size_t left = block.rows - i;
    const size_t rows = left >= most ? most : left >= kRows ? kRows : left >= 4 ? 4 : 1;
    for (size_t r = 0; r < rows; ++r)
      decode_words<bits>(weight, block.first_row + i + r, block.first_column, block.columns,
                         weights + r * kRowWords);
    float* const row_sums = sums + i * block.stride;
    if (rows == kMostRows) multiply_tile<kMostRows, 1>(block, weights, x, row_sums);
    if (rows == kRows) multiply_rows<kRows>(block, weights, x, row_sums);
    if (rows == 4) multiply_rows<4>(block, weights, x, row_sums);
    if (rows == 1) multiply_rows<1>(block, weights, x, row_sums);
    i += rows;
  }
}

// Words i of both halves become neighbours.
inline __m512i interleave_halves(__m512i halves) {
  const __m512i lane = lane_numbers();
  const __m512i half = _mm512_slli_epi16(_mm512_and_si512(lane, _mm512_set1_epi16(1)), 4);
  return _mm512_permutexvar_epi16(_mm512_or_si512(_mm512_srli_epi16(lane, 1), half), halves);
}

}  // namespace

void pack_pairs_avx512_bf16(size_t columns, size_t stride, float* panel) {
  for (size_t j = 0; j < columns; j += 2) {
    const float* const even = panel + j * stride;
    float* const pairs = panel + j / 2 * stride;
    for (size_t p = 0; p < stride; p += kLanes) {
      const __m512 high = j + 1 < columns ? _mm512_loadu_ps(even + stride + p) : _mm512_setzero_ps();
      const __m512bh words = _mm512_cvtne2ps_pbh(high, _mm512_loadu_ps(even + p));
      _mm512_storeu_si512(pairs + p, interleave_halves((__m512i)words));
    }
  }
}

void codebook_gemm_bfloat16_avx512_bf16(const PackedRows& weight, const GemmBlock& block, const float* x,
                                        float* sums) {
  constexpr codebook_gemm_fn kByBits[] = {multiply<1>, multiply<2>, multiply<3>, multiply<4>,
                                          multiply<5>, multiply<6>, multiply<7>, multiply<8>};
  kByBits[weight.bits - 1](weight, block, x, sums);
}

}  // namespace qc
