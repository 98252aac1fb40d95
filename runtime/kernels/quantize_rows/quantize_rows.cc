#include "kernels/quantize_rows/quantize_rows.h"

#include "kernels/quantize_rows/dispatch.h"

namespace qc {

QuantizeRows get_quantize_rows(Isa isa) {
#define QC_QUANTIZE_ROWS(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/quantize_rows/kernels.inc"
#undef QC_QUANTIZE_ROWS
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
