#include "kernels/decode/x86_avx2.h"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/codebook_gemm/codebook_gemm.h"

namespace qc {
namespace {

constexpr size_t kRows = 4;  // 4 rows x 3 vectors: 12 sums, 3 of x and a broadcast weight fit 16 registers
constexpr size_t kPanelStride =
    kGemmColumns + kLanes;  // not a power of two: rows fall into different cache sets

// sums[rows, 8 * vectors] += weights[rows, columns] * x[columns, 8 * vectors]
template <size_t rows, size_t vectors>
void multiply_tile(const GemmBlock& block, const float* weights, const float* x, float* sums) {
  __m256 sum[rows][vectors];
  for (size_t r = 0; r < rows; ++r)
    for (size_t v = 0; v < vectors; ++v) sum[r][v] = _mm256_loadu_ps(sums + r * block.stride + v * kLanes);
  for (size_t j = 0; j < block.columns; ++j) {
    __m256 column[vectors];
    for (size_t v = 0; v < vectors; ++v) column[v] = _mm256_loadu_ps(x + j * block.stride + v * kLanes);
    for (size_t r = 0; r < rows; ++r) {
      const __m256 w = _mm256_set1_ps(weights[r * kPanelStride + j]);
      for (size_t v = 0; v < vectors; ++v) sum[r][v] = _mm256_fmadd_ps(w, column[v], sum[r][v]);
    }
  }
  for (size_t r = 0; r < rows; ++r)
    for (size_t v = 0; v < vectors; ++v) _mm256_storeu_ps(sums + r * block.stride + v * kLanes, sum[r][v]);
}

// Tiles of three vectors; four at the end become two and two, for a tile of one waits for its own additions.
template <size_t rows>
void multiply_rows(const GemmBlock& block, const float* weights, const float* x, float* sums) {
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
  alignas(64) float weights[kRows * kPanelStride];
  for (size_t i = 0; i < block.rows;) {
    const size_t left = block.rows - i;
    const size_t rows = left >= kRows ? kRows : 1;
    for (size_t r = 0; r < rows; ++r)
      decode_row<bits>(weight, block.first_row + i + r, block.first_column, block.columns,
                       weights + r * kPanelStride);
    float* const row_sums = sums + i * block.stride;
    if (rows == kRows) multiply_rows<kRows>(block, weights, x, row_sums);
    if (rows == 1) multiply_rows<1>(block, weights, x, row_sums);
    i += rows;
  }
}

}  // namespace

void codebook_gemm_avx2(const PackedRows& weight, const GemmBlock& block, const float* x, float* sums) {
  constexpr codebook_gemm_fn kByBits[] = {multiply<1>, multiply<2>, multiply<3>, multiply<4>,
                                          multiply<5>, multiply<6>, multiply<7>, multiply<8>};
  kByBits[weight.bits - 1](weight, block, x, sums);
}

}  // namespace qc
