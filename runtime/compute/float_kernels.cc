#include "compute/float_kernels.h"

#include "compute/multiply.h"
#include "kernels/codebook_gemm_bfloat16/dispatch.h"
#include "kernels/round_bfloat16/dispatch.h"

namespace qc {
namespace {

// Up to so many rows codebook_gemv is faster than pairs (measured at 1024 x 1024; they take the same time for
// 1 to 16 rows).
constexpr size_t kFewRows = 4, kFewRowsOfDwords = 8;

}  // namespace

FloatKernels get_float_kernels(Isa isa, const PackedRows& weight) {
  const CodebookGemv few_rows = get_codebook_gemv(isa, weight.bits, weight.columns);
  return {few_rows, few_vectors(few_rows), get_codebook_gemm(isa), get_depthwise_kernels(isa)};
}

FloatKernels get_bfloat16_kernels(Isa isa, const PackedRows& weight) {
  const round_bfloat16_fn round = get_round_bfloat16(isa).run;
  FloatKernels kernels = get_float_kernels(isa, weight);
  kernels.few_rows.prepare = kernels.many_rows.prepare = kernels.depthwise.prepare = round;
  const CodebookGemmBfloat16 pairs = get_codebook_gemm_bfloat16(isa);
  if (pairs.run == codebook_gemm_bfloat16_scalar) return kernels;
  kernels.many_rows = {pairs.name, pairs.run, pairs.pack, 2};
  kernels.most_few_rows = kernels.few_rows.whole_dwords ? kFewRowsOfDwords : kFewRows;
  return kernels;
}

}  // namespace qc
