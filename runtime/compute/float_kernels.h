// The kernels of operators with a float codebook: those that read x as it is, and those that round it to
// bfloat16. Both run the same tasks. Knows no onnxruntime.
#pragma once

#include "base/packed_rows.h"
#include "compute/depthwise.h"
#include "kernels/codebook_gemm/dispatch.h"
#include "kernels/codebook_gemv/dispatch.h"

namespace qc {

struct FloatKernels {
  CodebookGemv few_rows;
  size_t most_few_rows;  // up to so many rows of x few_rows is the faster one
  CodebookGemm many_rows;
  DepthwiseKernels depthwise;
};

FloatKernels get_float_kernels(Isa isa, const PackedRows& weight);

// Where the processor has products of bfloat16, panels become pairs of them; elsewhere, and where products
// wait for memory and not for arithmetic, x is rounded where it was copied to, and stays float.
FloatKernels get_bfloat16_kernels(Isa isa, const PackedRows& weight);

}  // namespace qc
