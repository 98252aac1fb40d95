// One result of an integer product: the reference of every epilogue.
#pragma once

#include <cmath>

#include "kernels/integer_gemm/integer_gemm.h"

namespace qc {

static inline int8_t weight_in_panel(const int8_t* panel, size_t vectors, size_t output, size_t column) {
  return panel[(column / 4 * vectors + output / 16) * 64 + output % 16 * 4 + column % 4];
}

// NaN compares with nothing, so it becomes y_min.
static inline uint8_t code_of(float value, uint8_t y_min, uint8_t y_max) {
  const float rounded = std::rint(value), least = y_min, most = y_max;
  return static_cast<uint8_t>(rounded > least ? (rounded < most ? rounded : most) : least);
}

static inline void store_result(const IntegerResults& results, size_t position, size_t output, int32_t sum) {
  const size_t at = position * results.y_stride + output;
  float scale = results.scale[output];
  if (results.rows != nullptr) {  // start is in the sum once
    sum += (results.rows[position].zero_point - 1) * results.start[output];
    scale = results.rows[position].step * scale;
  }
  float value = static_cast<float>(sum) * scale + results.bias[output];
  if (results.residual != nullptr)
    value = value + static_cast<float>(results.residual[at]) * results.residual_scale;
  if (results.is_float) {
    static_cast<float*>(results.y)[at] = value;
  } else {
    static_cast<uint8_t*>(results.y)[at] = code_of(value, results.y_min, results.y_max);
  }
}

}  // namespace qc
