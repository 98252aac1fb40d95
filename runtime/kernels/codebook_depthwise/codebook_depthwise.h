// y[p] = (sum_j W[row, j] * x[offsets[j / run] + j % run + p]) * scale + bias
//
// for p in [0, positions), j in [0, columns): one row of a packed weight on x as it lies, padded. A run of
// weights meets neighbours in x, and a run of positions may go through many rows of an image, pads included.
//
//   weight     see base/packed_rows.h; at most kDepthwiseColumns columns
//   offsets    one for each run; `run` is a divisor of the columns
//   x          everything from an offset to the last float that the formula names may be read
//   y          `positions` floats; may not overlap x
//   positions  a multiple of 16
//
// No alignment is needed. Does not allocate; decodes the row into an array on the stack.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/packed_rows.h"

namespace qc {

constexpr size_t kDepthwiseColumns = 256;

struct DepthwiseBlock {
  size_t row;
  const size_t* offsets;
  size_t run, positions;
  float scale, bias;
};

using codebook_depthwise_fn = void (*)(const PackedRows& weight, const DepthwiseBlock& block, const float* x,
                                       float* y);

#define QC_CODEBOOK_DEPTHWISE(isa, name) \
  void name(const PackedRows& weight, const DepthwiseBlock& block, const float* x, float* y);
#include "kernels/codebook_depthwise/kernels.inc"
#undef QC_CODEBOOK_DEPTHWISE

}  // namespace qc
