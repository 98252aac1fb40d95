#include "kernels/integer_gemm/integer_gemm.h"

#include "kernels/integer_gemm/dispatch.h"

namespace qc {

IntegerGemm get_integer_gemm(Isa isa) {
#define QC_INTEGER_GEMM(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/integer_gemm/kernels.inc"
#undef QC_INTEGER_GEMM
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
