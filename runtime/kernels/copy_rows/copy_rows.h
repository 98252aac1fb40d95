// to[r * to_stride + i] = from[r * from_stride + i * step]      for r in [0, rows), i in [0, columns)
//
// Rows of floats that lie apart, of which every step-th is taken; the others are not even read, but for those
// between the first and the last of a row.
//
//   from  may not overlap to
//   step  at least 1
//
// Any rows and columns, including 0. No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

struct RowsToCopy {
  size_t rows, columns;
  size_t from_stride, step, to_stride;
};

using copy_rows_fn = void (*)(const RowsToCopy& shape, const float* from, float* to);

#define QC_COPY_ROWS(isa, name) void name(const RowsToCopy& shape, const float* from, float* to);
#include "kernels/copy_rows/kernels.inc"
#undef QC_COPY_ROWS

}  // namespace qc
