#include "kernels/integer_winograd/integer_winograd.h"

#include "kernels/integer_winograd/dispatch.h"

namespace qc {

IntegerWinogradKernels get_integer_winograd(Isa isa) {
#define QC_INTEGER_WINOGRAD(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name##_weights, name##_input, name};
#include "kernels/integer_winograd/kernels.inc"
#undef QC_INTEGER_WINOGRAD
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
