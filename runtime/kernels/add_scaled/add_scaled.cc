#include "kernels/add_scaled/add_scaled.h"

#include "kernels/add_scaled/dispatch.h"

namespace qc {

AddScaled get_add_scaled(Isa isa) {
#define QC_ADD_SCALED(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/add_scaled/kernels.inc"
#undef QC_ADD_SCALED
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
