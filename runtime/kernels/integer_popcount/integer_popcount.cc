#include "kernels/integer_popcount/integer_popcount.h"

#include "kernels/integer_popcount/dispatch.h"

namespace qc {

IntegerPopcountKernels get_integer_popcount(Isa isa) {
#define QC_INTEGER_POPCOUNT(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name##_weights, name##_pack, name##_sums, name};
#include "kernels/integer_popcount/kernels.inc"
#undef QC_INTEGER_POPCOUNT
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
