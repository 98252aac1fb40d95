// The loops of integer_depthwise: a file includes them and is compiled with its flags.
#pragma once

#include "kernels/codes/scalar.h"
#include "kernels/integer_depthwise/integer_depthwise.h"

namespace qc {

static inline int32_t depthwise_sum(const IntegerDepthwiseBlock& b, size_t row, size_t column,
                                    size_t channel) {
  int32_t sum = 0;
  for (size_t u = 0; u < b.kernel_rows; ++u)
    for (size_t v = 0; v < b.kernel_columns; ++v) {
      const uint8_t* const x = b.x[(row * b.row_step + u * b.row_tap_step) * b.pitch +
                                   column * b.column_step + v * b.column_tap_step];
      sum += (x[channel / b.multiplier] - b.zero_point) *
             b.weights[(u * b.kernel_columns + v) * b.channels + channel];
    }
  return sum;
}

// `place` is that of the result in y.
static inline void store_depthwise(const IntegerDepthwiseOutput& output, size_t place, size_t channel,
                                   int32_t sum) {
  const float v = static_cast<float>(sum) * output.scale[channel] + output.bias[channel];
  if (output.floats != nullptr) {
    output.floats[place] = v;
  } else if (output.residual == nullptr) {
    output.codes[place] = code_of(v, output.least, output.most);
  } else {
    const float residual = static_cast<float>(output.residual[place]) * output.residual_scale;
    output.codes[place] = code_of(v + residual, output.least, output.most);
  }
}

// The channels from `first` to `end`.
static inline void depthwise_loops(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output,
                                   size_t first, size_t end) {
  for (size_t r = 0; r < block.rows; ++r)
    for (size_t j = 0; j < block.columns; ++j)
      for (size_t c = first; c < end; ++c)
        store_depthwise(output, (r * block.columns + j) * block.channels + c, c,
                        depthwise_sum(block, r, j, c));
}

}  // namespace qc
