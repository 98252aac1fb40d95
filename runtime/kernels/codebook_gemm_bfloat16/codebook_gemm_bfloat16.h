// sums[i * stride + p] += sum_j W[first_row + i, first_column + j] * x[j, p]     x rounded to bfloat16
//
// As codebook_gemm, whose block it takes, for a codebook of bfloat16 values, none of them denormal. `pack`
// makes a panel of floats ready for `run`, in place:
//
//   panel  [columns, stride] floats; becomes [ceil(columns / 2), stride] pairs, in the bits of a float each
//          column 2 j at position p in the lower half, column 2 j + 1 in the upper half, zero where there is
//          none; `stride` is a multiple of 16
//   x      of `run`: where the pairs of the block's columns begin
//
// Numbers too small to be normal may be taken as zero: those of the panel before or after they are rounded,
// and sums on the way. NaN stays NaN.
#pragma once

#include <cstddef>

#include "base/packed_rows.h"
#include "kernels/codebook_gemm/codebook_gemm.h"

namespace qc {

using pack_pairs_fn = void (*)(size_t columns, size_t stride, float* panel);

#define QC_CODEBOOK_GEMM_BFLOAT16(isa, pack, run)         \
  void pack(size_t columns, size_t stride, float* panel); \
  void run(const PackedRows& weight, const GemmBlock& block, const float* x, float* sums);
#include "kernels/codebook_gemm_bfloat16/kernels.inc"
#undef QC_CODEBOOK_GEMM_BFLOAT16

}  // namespace qc
