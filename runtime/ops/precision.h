// What the operators with a float codebook do to x: nothing, or round it to bfloat16.
#pragma once

#include "compute/float_kernels.h"
#include "ops/node.h"

namespace qc {

struct PlainFloats {
  static constexpr const char* kMatMul = "CodebookMatMul";
  static constexpr const char* kConv = "CodebookConv";
  static constexpr const char* kMatMulKernel = "CodebookMatMulKernel";
  static constexpr const char* kConvKernel = "CodebookConvKernel";

  static void check(const PackedWeight&) {}
  static FloatKernels kernels(Isa isa, const PackedRows& weight) { return get_float_kernels(isa, weight); }
};

struct Bfloat16 {
  static constexpr const char* kMatMul = "CodebookMatMulBfloat16";
  static constexpr const char* kConv = "CodebookConvBfloat16";
  static constexpr const char* kMatMulKernel = "CodebookMatMulBfloat16Kernel";
  static constexpr const char* kConvKernel = "CodebookConvBfloat16Kernel";

  static void check(const PackedWeight& weight) { refuse_if(check_bfloat16_codebook(weight)); }
  static FloatKernels kernels(Isa isa, const PackedRows& weight) { return get_bfloat16_kernels(isa, weight); }
};

}  // namespace qc
