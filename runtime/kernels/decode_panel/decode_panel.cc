#include "kernels/decode_panel/decode_panel.h"

#include "kernels/decode_panel/dispatch.h"

namespace qc {

DecodePanel get_decode_panel(Isa isa) {
#define QC_DECODE_PANEL(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/decode_panel/kernels.inc"
#undef QC_DECODE_PANEL
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
