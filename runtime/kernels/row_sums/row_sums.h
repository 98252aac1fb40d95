// y[p] = factor * sum over j of  x[p * stride + j]      for p in [0, rows), j in [0, columns)
//
// The sums times |factor| stay below 2^31: the caller has checked. Only the bytes named above are read. Any
// sizes, including 0. No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

struct RowsToSum {
  const uint8_t* x;
  size_t rows, columns, stride;
};

using row_sums_fn = void (*)(const RowsToSum& source, int32_t factor, int32_t* y);

#define QC_ROW_SUMS(isa, name) void name(const RowsToSum& source, int32_t factor, int32_t* y);
#include "kernels/row_sums/kernels.inc"
#undef QC_ROW_SUMS

}  // namespace qc
