#include "kernels/round_bfloat16/round_bfloat16.h"

#include "kernels/round_bfloat16/dispatch.h"

namespace qc {

RoundBfloat16 get_round_bfloat16(Isa isa) {
#define QC_ROUND_BFLOAT16(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/round_bfloat16/kernels.inc"
#undef QC_ROUND_BFLOAT16
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
