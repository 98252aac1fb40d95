#include "kernels/integer_table/integer_table.h"

#include "kernels/integer_table/dispatch.h"

namespace qc {

IntegerTable get_integer_table(Isa isa) {
#define QC_INTEGER_TABLE(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/integer_table/kernels.inc"
#undef QC_INTEGER_TABLE
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
