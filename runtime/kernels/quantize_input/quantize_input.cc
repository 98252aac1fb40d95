#include "kernels/quantize_input/quantize_input.h"

#include "kernels/quantize_input/dispatch.h"

namespace qc {

QuantizeInput get_quantize_input(Isa isa) {
#define QC_QUANTIZE_INPUT(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/quantize_input/kernels.inc"
#undef QC_QUANTIZE_INPUT
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
