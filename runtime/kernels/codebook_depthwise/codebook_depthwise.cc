#include "kernels/codebook_depthwise/codebook_depthwise.h"

#include "kernels/codebook_depthwise/dispatch.h"

namespace qc {

CodebookDepthwise get_codebook_depthwise(Isa isa) {
#define QC_CODEBOOK_DEPTHWISE(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/codebook_depthwise/kernels.inc"
#undef QC_CODEBOOK_DEPTHWISE
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
