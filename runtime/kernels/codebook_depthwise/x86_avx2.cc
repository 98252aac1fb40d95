#include "kernels/decode/x86_avx2.h"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/codebook_depthwise/codebook_depthwise.h"

namespace qc {
namespace {

constexpr size_t kVectors = 8;  // enough sums that none waits for its own additions

using decode_fn = void (*)(const PackedRows& weight, size_t row, size_t column, size_t columns,
                           float* decoded);
using multiply_fn = void (*)(const DepthwiseBlock& block, size_t columns, const float* weights,
                             const float* x, float* y);

// y[8 * vectors] = weights[columns] * x, scaled and biased
template <size_t vectors>
void multiply(const DepthwiseBlock& block, size_t columns, const float* weights, const float* x, float* y) {
  const size_t* offset = block.offsets;
  size_t s = 0;
  __m256 sum[vectors];
  for (size_t v = 0; v < vectors; ++v) sum[v] = _mm256_setzero_ps();
  for (size_t j = 0; j < columns; ++j, ++s) {
    if (s == block.run) s = 0, ++offset;
    const __m256 w = _mm256_set1_ps(weights[j]);
    for (size_t v = 0; v < vectors; ++v)
      sum[v] = _mm256_fmadd_ps(w, _mm256_loadu_ps(x + *offset + s + v * kLanes), sum[v]);
  }
  const __m256 scale = _mm256_set1_ps(block.scale), bias = _mm256_set1_ps(block.bias);
  for (size_t v = 0; v < vectors; ++v) _mm256_storeu_ps(y + v * kLanes, _mm256_fmadd_ps(sum[v], scale, bias));
}

constexpr decode_fn kDecodeByBits[] = {decode_row<1>, decode_row<2>, decode_row<3>, decode_row<4>,
                                       decode_row<5>, decode_row<6>, decode_row<7>, decode_row<8>};
constexpr multiply_fn kMultiplyByVectors[kVectors] = {multiply<1>, multiply<2>, multiply<3>, multiply<4>,
                                                      multiply<5>, multiply<6>, multiply<7>, multiply<8>};

}  // namespace

void codebook_depthwise_avx2(const PackedRows& weight, const DepthwiseBlock& block, const float* x,
                             float* y) {
  alignas(64) float weights[kDepthwiseColumns];
  kDecodeByBits[weight.bits - 1](weight, block.row, 0, weight.columns, weights);
  for (size_t p = 0; p < block.positions;) {
    const size_t left = (block.positions - p) / kLanes;
    const size_t tiles = (left + kVectors - 1) / kVectors;
    const size_t vectors = (left + tiles - 1) / tiles;  // about the same number in each tile
    kMultiplyByVectors[vectors - 1](block, weight.columns, weights, x + p, y + p);
    p += vectors * kLanes;
  }
}

}  // namespace qc
