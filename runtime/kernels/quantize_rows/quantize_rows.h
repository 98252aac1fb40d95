// Each row of floats becomes codes, with a step and a zero point of its own. For p in [0, rows), j in [0,
// columns):
//
//   low, high       = the least and the largest of 0 and all x[p, j]
//   step[p]         = (high - low) / most
//   zero_point[p]   = cut(rint(-low / step[p]))
//   y[p, j]         = cut(rint(x[p, j] / step[p]) + zero_point[p])       cut(v) = min(max(v, 0), most)
//
// Ties round to even; each operation is rounded by itself: all kernels give the same bits. Where the step is
// zero the codes and the zero point are too. Where it is infinite, or x is not finite, it becomes NaN, and
// they are zero.
//
//   x     may be any floats; only those that the formula names are read
//   y     [rows, bytes_of_codes(columns)]: zeros behind the last column
//   most  at least 1
//
// Any sizes, including 0. No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/coded_row.h"

namespace qc {

static inline size_t bytes_of_codes(size_t columns) { return (columns + 15) / 16 * 16; }

struct RowsToQuantize {
  size_t rows, columns;
  uint8_t most;
};

using quantize_rows_fn = void (*)(const RowsToQuantize& shape, const float* x, uint8_t* y, CodedRow* coded);

#define QC_QUANTIZE_ROWS(isa, name) \
  void name(const RowsToQuantize& shape, const float* x, uint8_t* y, CodedRow* coded);
#include "kernels/quantize_rows/kernels.inc"
#undef QC_QUANTIZE_ROWS

}  // namespace qc
