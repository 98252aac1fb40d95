// y[r * y_stride + i] += factor * x[r * x_stride + i * step]      for r in [0, rows), i in [0, columns)
//
// What one element of a kernel adds to an image. The product is rounded, then the sum: all kernels give the
// same bits.
//
//   x     may not overlap y; only what is named above is read
//   step  at least 1
//
// Any rows and columns, including 0. No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

struct RowsToAdd {
  size_t rows, columns;
  size_t x_stride, step, y_stride;
};

using add_scaled_fn = void (*)(const RowsToAdd& shape, float factor, const float* x, float* y);

#define QC_ADD_SCALED(isa, name) void name(const RowsToAdd& shape, float factor, const float* x, float* y);
#include "kernels/add_scaled/kernels.inc"
#undef QC_ADD_SCALED

}  // namespace qc
