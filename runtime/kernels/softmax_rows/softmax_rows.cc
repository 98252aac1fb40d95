#include "kernels/softmax_rows/softmax_rows.h"

#include "kernels/softmax_rows/dispatch.h"

namespace qc {

SoftmaxRows get_softmax_rows(Isa isa) {
#define QC_SOFTMAX_ROWS(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/softmax_rows/kernels.inc"
#undef QC_SOFTMAX_ROWS
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
