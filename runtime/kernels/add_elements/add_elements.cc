#include "kernels/add_elements/add_elements.h"

#include "kernels/add_elements/dispatch.h"

namespace qc {

AddElements get_add_elements(Isa isa) {
#define QC_ADD_ELEMENTS(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/add_elements/kernels.inc"
#undef QC_ADD_ELEMENTS
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
