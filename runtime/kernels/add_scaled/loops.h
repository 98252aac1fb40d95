// The loops of add_scaled for a compiler to vectorize: an ISA file includes them and is compiled with its
// flags.
#pragma once

#include "kernels/add_scaled/add_scaled.h"

namespace qc {

static inline void add_row(size_t columns, float factor, const float* __restrict x, float* __restrict y) {
  for (size_t i = 0; i < columns; ++i) y[i] += factor * x[i];
}

// `shape` by value: stores of floats may alias anything in memory.
static inline void add_scaled_loops(RowsToAdd shape, float factor, const float* x, float* y) {
  if (shape.step != 1) return add_scaled_scalar(shape, factor, x, y);
  if (shape.columns == shape.x_stride && shape.columns == shape.y_stride)
    return add_row(shape.rows * shape.columns, factor, x, y);
  for (; shape.rows > 0; --shape.rows, x += shape.x_stride, y += shape.y_stride)
    add_row(shape.columns, factor, x, y);
}

}  // namespace qc
