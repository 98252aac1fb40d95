#include "kernels/integer_max_pool/integer_max_pool.h"

#include "kernels/integer_max_pool/dispatch.h"

namespace qc {

IntegerMaxPool get_integer_max_pool(Isa isa) {
#define QC_INTEGER_MAX_POOL(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/integer_max_pool/kernels.inc"
#undef QC_INTEGER_MAX_POOL
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
