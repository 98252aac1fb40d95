// Each row of floats, less its mean and over its deviation, becomes codes. For p in [0, rows), j in [0,
// columns), in float32 where nothing else is said, each operation rounded by itself:
//
//   units       = 2^19 / max(the largest |x[p, j]|, 2^-100)
//   number[j]   = rint(x[p, j] * units)                        whole, at most 2^19 in size
//   mean        = sum of number / columns                      double; the sums are exact, in any order
//   deviation   = sqrt(max(sum of number^2 / columns - mean * mean, 0) + epsilon * (units * units))    double
//   y[p, j]     = code((number[j] - float(mean)) * float(1 / deviation) * scale[j] + bias[j])
//
// code(v) is v rounded, ties to even, and cut to [least, most]. A row that is not finite becomes `least`.
//
//   x            may be any floats; only those that the formula names are read
//   scale, bias  [columns]
//   columns      at most 32768
//   epsilon      above 0
//
// Any sizes, including 0. No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

struct RowsToNormalize {
  size_t rows, columns;
  const float *scale, *bias;
  double epsilon;
  uint8_t least, most;
};

using normalize_rows_fn = void (*)(const RowsToNormalize& shape, const float* x, uint8_t* y);

#define QC_NORMALIZE_ROWS(isa, name) void name(const RowsToNormalize& shape, const float* x, uint8_t* y);
#include "kernels/normalize_rows/kernels.inc"
#undef QC_NORMALIZE_ROWS

}  // namespace qc
