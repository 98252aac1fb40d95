// sum[r, j, c] = sum_{u, v} (x(r, j, u, v)[c / multiplier] - zero_point) * weights[(u * kernel_columns + v) *
// channels + c] v[r, j, c]   = float(sum) * scale[c] + bias[c]
//
// for r in [0, rows), j in [0, columns), c in [0, channels). The result is v in `floats`; or in `codes`
// code(v), or code(v + float(residual) * residual_scale) where there is a residual. code(v) is v rounded,
// ties to even, and cut to [least, most]; NaN gives least. Sums are exact, operations on floats are rounded
// one by one.
//
// x is a table of pointers to the channels of a position, be it of the image or of a pad:
//   x(r, j, u, v) = x[(r * row_step + u * row_tap_step) * pitch + j * column_step + v * column_tap_step]
//
//   x            channels / multiplier codes each
//   weights      [kernel_rows, kernel_columns, channels]
//   scale, bias  [channels]
//   residual     [rows, columns, channels], or null; so is y, either `codes` or `floats`, the other one null
//   y            may not overlap another operand
//
// At most 65536 taps, so that a sum fits int32. No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

struct IntegerDepthwiseBlock {
  const uint8_t* const* x;
  size_t pitch;
  size_t row_step, row_tap_step, column_step, column_tap_step;  // entries of the table, or rows of it
  size_t kernel_rows, kernel_columns;
  size_t rows, columns, channels, multiplier;
  const int8_t* weights;
  uint8_t zero_point;
};

struct IntegerDepthwiseOutput {
  const float *scale, *bias;
  const uint8_t* residual;
  float residual_scale;
  uint8_t least, most;
  uint8_t* codes;
  float* floats;
};

using integer_depthwise_fn = void (*)(const IntegerDepthwiseBlock& block,
                                      const IntegerDepthwiseOutput& output);

#define QC_INTEGER_DEPTHWISE(isa, name) \
  void name(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output);
#include "kernels/integer_depthwise/kernels.inc"
#undef QC_INTEGER_DEPTHWISE

}  // namespace qc
