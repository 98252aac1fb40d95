// y[i] = code((float(a[i]) * a_scale + float(b[i]) * b_scale) + bias)      for i in [0, count)
//
// code(v) is v rounded, ties to even, and cut to [least, most]; NaN gives least. Every operation is rounded
// by itself.
//
//   y      may not overlap another operand
//
// Any count, including 0. No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

struct CodesToAdd {
  float a_scale, b_scale, bias;
  uint8_t least, most;
};

using integer_add_fn = void (*)(const CodesToAdd& sum, size_t count, const uint8_t* a, const uint8_t* b,
                                uint8_t* y);

#define QC_INTEGER_ADD(isa, name) \
  void name(const CodesToAdd& sum, size_t count, const uint8_t* a, const uint8_t* b, uint8_t* y);
#include "kernels/integer_add/kernels.inc"
#undef QC_INTEGER_ADD

}  // namespace qc
