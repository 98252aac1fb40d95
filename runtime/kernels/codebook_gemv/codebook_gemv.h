// y[p * y_stride + i] = sum_j W[i, j] * x[p, j]     for i in [first_row, first_row + rows), p in [0, m)
//
// A packed weight times a few vectors, without ever writing the decoded weights to memory.
//
//   weight  see base/packed_rows.h; a kernel for whole dwords also needs bits in {1, 2, 4} and rows of whole
//           bytes: (columns * bits) % 8 == 0
//   m       1 to kGemvVectors
//   x       [m, x_stride] floats in the kernel's own order, zeros behind the last column: arrange.h writes it
//   y       one float for each p and i; may not overlap x
//
// No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/packed_rows.h"

namespace qc {

constexpr size_t kGemvVectors = 4;

struct GemvBlock {
  size_t first_row, rows;
  size_t m;
  size_t x_stride, y_stride;
};

using codebook_gemv_fn = void (*)(const PackedRows& weight, const GemvBlock& block, const float* x, float* y);

#define QC_CODEBOOK_GEMV(isa, name, whole_dwords) \
  void name(const PackedRows& weight, const GemvBlock& block, const float* x, float* y);
#include "kernels/codebook_gemv/kernels.inc"
#undef QC_CODEBOOK_GEMV

}  // namespace qc
