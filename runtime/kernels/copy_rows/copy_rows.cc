#include "kernels/copy_rows/copy_rows.h"

#include "kernels/copy_rows/dispatch.h"

namespace qc {

CopyRows get_copy_rows(Isa isa) {
#define QC_COPY_ROWS(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/copy_rows/kernels.inc"
#undef QC_COPY_ROWS
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
