#include "kernels/decode/scalar.h"

#include "kernels/codebook_gemm_bfloat16/codebook_gemm_bfloat16.h"
#include "kernels/round_bfloat16/scalar.h"

namespace qc {

void pack_pairs_scalar(size_t columns, size_t stride, float* panel) {
  for (size_t j = 0; j < columns; j += 2) {
    for (size_t p = 0; p < stride; ++p) {
      const uint32_t low = bfloat16_bits_of(panel[j * stride + p]);
      const uint32_t high = j + 1 < columns ? bfloat16_bits_of(panel[(j + 1) * stride + p]) : 0;
      const uint32_t pair = high << 16 | low;
      std::memcpy(panel + j / 2 * stride + p, &pair, sizeof pair);
    }
  }
}

void codebook_gemm_bfloat16_scalar(const PackedRows& weight, const GemmBlock& block, const float* x,
                                   float* sums) {
  for (size_t i = 0; i < block.rows; ++i) {
    for (size_t j = 0; j < block.columns; ++j) {
      const float w = weight_at(weight, block.first_row + i, block.first_column + j);
      for (size_t p = 0; p < block.positions; ++p) {
        uint32_t pair;
        std::memcpy(&pair, x + j / 2 * block.stride + p, sizeof pair);
        sums[i * block.stride + p] += w * float_of_bfloat16_bits(j % 2 == 0 ? pair & 0xffffu : pair >> 16);
      }
    }
  }
}

}  // namespace qc
