#include "kernels/decode/scalar.h"

#include "kernels/codebook_depthwise/codebook_depthwise.h"

namespace qc {

void codebook_depthwise_scalar(const PackedRows& weight, const DepthwiseBlock& block, const float* x,
                               float* y) {
  for (size_t p = 0; p < block.positions; ++p) y[p] = 0;
  for (size_t j = 0; j < weight.columns; ++j) {
    const float w = weight_at(weight, block.row, j);
    const float* row_x = x + block.offsets[j / block.run] + j % block.run;
    for (size_t p = 0; p < block.positions; ++p) y[p] += w * row_x[p];
  }
  for (size_t p = 0; p < block.positions; ++p) y[p] = y[p] * block.scale + block.bias;
}

}  // namespace qc
