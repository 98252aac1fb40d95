#include "kernels/decode/scalar.h"

#include "kernels/codebook_gemv/codebook_gemv.h"

namespace qc {

void codebook_gemv_scalar(const PackedRows& weight, const GemvBlock& block, const float* x, float* y) {
  for (size_t i = block.first_row; i < block.first_row + block.rows; ++i) {
    float sums[kGemvVectors] = {};
    for (size_t j = 0; j < weight.columns; ++j) {
      const float w = weight_at(weight, i, j);
      for (size_t p = 0; p < block.m; ++p) sums[p] += w * x[p * block.x_stride + j];
    }
    for (size_t p = 0; p < block.m; ++p) y[p * block.y_stride + i] = sums[p];
  }
}

}  // namespace qc
