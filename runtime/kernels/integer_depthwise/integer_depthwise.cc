#include "kernels/integer_depthwise/integer_depthwise.h"

#include "kernels/integer_depthwise/dispatch.h"

namespace qc {

IntegerDepthwise get_integer_depthwise(Isa isa) {
#define QC_INTEGER_DEPTHWISE(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/integer_depthwise/kernels.inc"
#undef QC_INTEGER_DEPTHWISE
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
