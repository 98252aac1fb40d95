// The softmax of each row of floats becomes codes. For p in [0, rows), j in [0, columns), in float32, each
// operation rounded by itself:
//
//   largest      = the largest x[p, j]
//   exponent[j]  = max((x[p, j] - largest) * log2(e), -32)
//   whole[j]     = rint(exponent[j]),  rest[j] = exponent[j] - whole[j]
//   power[j]     = ((P3 * rest + P2) * rest + P1) * rest + 1                    about 2^rest
//   unit[j]      = rint(power[j] * 2^(20 + whole[j]))                           whole; the largest is 2^20
//   y[p, j]      = code(unit[j] * (scale / float(sum of unit)) + bias)          the sum is exact, in any
//   order
//
// code(v) is v rounded, ties to even, and cut to [least, most]. A row with NaN or infinity, or with nothing
// but minus infinity, becomes `least`.
//
//   x        may be any floats; only those that the formula names are read
//   columns  at most 32768
//   units    [kRowsAtOnce * columns] for the kernel's use
//
// Any sizes, including 0. No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

constexpr size_t kRowsAtOnce = 8;

struct RowsOfSoftmax {
  size_t rows, columns;
  float scale, bias;
  uint8_t least, most;
};

using softmax_rows_fn = void (*)(const RowsOfSoftmax& shape, const float* x, uint8_t* y, int32_t* units);

#define QC_SOFTMAX_ROWS(isa, name) \
  void name(const RowsOfSoftmax& shape, const float* x, uint8_t* y, int32_t* units);
#include "kernels/softmax_rows/kernels.inc"
#undef QC_SOFTMAX_ROWS

}  // namespace qc
