#include "compute/float_kernels.h"

#include "kernels/codebook_gemm_bfloat16/dispatch.h"
#include "kernels/round_bfloat16/dispatch.h"

namespace qc {

FloatKernels get_float_kernels(Isa isa, const PackedRows& weight) {
  return {get_codebook_gemv(isa, weight.bits, weight.columns), get_codebook_gemm(isa),
          get_depthwise_kernels(isa)};
}

FloatKernels get_bfloat16_kernels(Isa isa, const PackedRows& weight) {
  const round_bfloat16_fn round = get_round_bfloat16(isa).run;
  FloatKernels kernels = get_float_kernels(isa, weight);
  kernels.few_rows.prepare = kernels.many_rows.prepare = kernels.depthwise.prepare = round;
  const CodebookGemmBfloat16 pairs = get_codebook_gemm_bfloat16(isa);
  if (pairs.run != codebook_gemm_bfloat16_scalar) kernels.many_rows = {pairs.name, pairs.run, pairs.pack, 2};
  return kernels;
}

}  // namespace qc
