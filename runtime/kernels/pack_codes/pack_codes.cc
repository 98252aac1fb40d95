#include "kernels/pack_codes/pack_codes.h"

#include "kernels/pack_codes/dispatch.h"

namespace qc {

PackCodes get_pack_codes(Isa isa) {
#define QC_PACK_CODES(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/pack_codes/kernels.inc"
#undef QC_PACK_CODES
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
