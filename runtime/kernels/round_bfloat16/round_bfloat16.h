// x[i] = the bfloat16 value next to x[i], of two as near the one whose last bit is zero
//
// for i in [0, rows * columns): in place, as floats. What lies beyond the largest bfloat16 by half a step or
// more becomes infinite, NaN stays NaN, and numbers too small to be normal are rounded as all others: each
// kernel gives the same bits. No alignment is needed.
#pragma once

#include <cstddef>

namespace qc {

#define QC_ROUND_BFLOAT16(isa, name) void name(size_t rows, size_t columns, float* x);
#include "kernels/round_bfloat16/kernels.inc"
#undef QC_ROUND_BFLOAT16

using round_bfloat16_fn = void (*)(size_t rows, size_t columns, float* x);

}  // namespace qc
