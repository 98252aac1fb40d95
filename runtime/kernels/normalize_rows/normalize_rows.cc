#include "kernels/normalize_rows/normalize_rows.h"

#include "kernels/normalize_rows/dispatch.h"

namespace qc {

NormalizeRows get_normalize_rows(Isa isa) {
#define QC_NORMALIZE_ROWS(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/normalize_rows/kernels.inc"
#undef QC_NORMALIZE_ROWS
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
