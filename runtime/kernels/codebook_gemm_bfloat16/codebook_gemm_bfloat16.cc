#include "kernels/codebook_gemm_bfloat16/codebook_gemm_bfloat16.h"

#include "kernels/codebook_gemm_bfloat16/dispatch.h"

namespace qc {

CodebookGemmBfloat16 get_codebook_gemm_bfloat16(Isa isa) {
#define QC_CODEBOOK_GEMM_BFLOAT16(needed, pack, run) \
  if (includes(isa, Isa::needed)) return {#run, pack, run};
#include "kernels/codebook_gemm_bfloat16/kernels.inc"
#undef QC_CODEBOOK_GEMM_BFLOAT16
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
