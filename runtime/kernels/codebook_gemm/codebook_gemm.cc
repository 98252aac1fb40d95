#include "kernels/codebook_gemm/codebook_gemm.h"

#include "kernels/codebook_gemm/dispatch.h"

namespace qc {

CodebookGemm get_codebook_gemm(Isa isa) {
#define QC_CODEBOOK_GEMM(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/codebook_gemm/kernels.inc"
#undef QC_CODEBOOK_GEMM
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
