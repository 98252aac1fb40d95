// sums[i * stride + p] += sum_j W[first_row + i, first_column + j] * x[j * stride + p]
//
// for i in [0, rows), p in [0, positions), j in [0, columns): a block of a packed weight times a panel of x.
//
//   weight     see base/packed_rows.h; rows and columns of the block lie within it
//   columns    at most kGemmColumns; first_column is a multiple of 16
//   x          [columns, stride] floats
//   sums       [rows, stride] floats; may not overlap x
//   positions  a multiple of 16, at most stride
//
// No alignment is needed. Does not allocate; decodes 8 rows at a time into a panel on the stack.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/packed_rows.h"

namespace qc {

// 8 decoded rows of so many floats stay in the first-level cache.
constexpr size_t kGemmColumns = 512;

struct GemmBlock {
  size_t first_row, rows;
  size_t first_column, columns;
  size_t positions, stride;
};

using codebook_gemm_fn = void (*)(const PackedRows& weight, const GemmBlock& block, const float* x,
                                  float* sums);

#define QC_CODEBOOK_GEMM(isa, name) \
  void name(const PackedRows& weight, const GemmBlock& block, const float* x, float* sums);
#include "kernels/codebook_gemm/kernels.inc"
#undef QC_CODEBOOK_GEMM

}  // namespace qc
