#include "kernels/row_sums/row_sums.h"

#include "kernels/row_sums/dispatch.h"

namespace qc {

RowSums get_row_sums(Isa isa) {
#define QC_ROW_SUMS(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/row_sums/kernels.inc"
#undef QC_ROW_SUMS
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
