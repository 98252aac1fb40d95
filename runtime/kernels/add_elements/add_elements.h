// y[v * y_stride + rows[c]] += values[c] * x[v * x_stride + columns[c]]      for v in [0, vectors), c in [0,
// count)
//
// What a few elements of a weight add to its product with vectors. Each sum goes on in the order of c,
// whatever vectors is; products and sums are rounded one by one.
//
//   weight  rows[c] < y_stride, columns[c] < x_stride
//   y       may not overlap another operand
//
// Any sizes, including 0. No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/sparse_elements.h"

namespace qc {

struct Vectors {
  size_t count, x_stride, y_stride;
};

using add_elements_fn = void (*)(const SparseElements& weight, const Vectors& vectors, const float* x,
                                 float* y);

#define QC_ADD_ELEMENTS(isa, name) \
  void name(const SparseElements& weight, const Vectors& vectors, const float* x, float* y);
#include "kernels/add_elements/kernels.inc"
#undef QC_ADD_ELEMENTS

}  // namespace qc
