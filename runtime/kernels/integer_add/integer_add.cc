#include "kernels/integer_add/integer_add.h"

#include "kernels/integer_add/dispatch.h"

namespace qc {

IntegerAdd get_integer_add(Isa isa) {
#define QC_INTEGER_ADD(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/integer_add/kernels.inc"
#undef QC_INTEGER_ADD
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
