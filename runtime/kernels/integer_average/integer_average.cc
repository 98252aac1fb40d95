#include "kernels/integer_average/integer_average.h"

#include "kernels/integer_average/dispatch.h"

namespace qc {

IntegerAverage get_integer_average(Isa isa) {
#define QC_INTEGER_AVERAGE(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/integer_average/kernels.inc"
#undef QC_INTEGER_AVERAGE
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
