#include "kernels/integer_gemv/integer_gemv.h"

#include "kernels/integer_gemv/dispatch.h"

namespace qc {

IntegerGemv get_integer_gemv(Isa isa) {
#define QC_INTEGER_GEMV(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/integer_gemv/kernels.inc"
#undef QC_INTEGER_GEMV
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
