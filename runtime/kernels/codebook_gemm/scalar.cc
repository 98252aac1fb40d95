#include "kernels/decode/scalar.h"

#include "kernels/codebook_gemm/codebook_gemm.h"

namespace qc {

void codebook_gemm_scalar(const PackedRows& weight, const GemmBlock& block, const float* x, float* sums) {
  for (size_t i = 0; i < block.rows; ++i) {
    float* row_sums = sums + i * block.stride;
    for (size_t j = 0; j < block.columns; ++j) {
      const float w = weight_at(weight, block.first_row + i, block.first_column + j);
      const float* row_x = x + j * block.stride;
      for (size_t p = 0; p < block.positions; ++p) row_sums[p] += w * row_x[p];
    }
  }
}

}  // namespace qc
