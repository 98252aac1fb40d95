// y[i] = table[x[i]]      for i in [0, count)
//
//   table  256 codes
//   y      may be x; may not overlap another operand otherwise
//
// Any count, including 0. No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

using integer_table_fn = void (*)(size_t count, const uint8_t* table, const uint8_t* x, uint8_t* y);

#define QC_INTEGER_TABLE(isa, name) \
  void name(size_t count, const uint8_t* table, const uint8_t* x, uint8_t* y);
#include "kernels/integer_table/kernels.inc"
#undef QC_INTEGER_TABLE

}  // namespace qc
