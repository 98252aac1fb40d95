// Which codebook_depthwise to run. Apart from codebook_depthwise.h, because ISA files must not see the
// standard library.
#pragma once

#include "base/isa.h"
#include "kernels/codebook_depthwise/codebook_depthwise.h"

namespace qc {

struct CodebookDepthwise {
  const char* name;
  codebook_depthwise_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
CodebookDepthwise get_codebook_depthwise(Isa isa);

}  // namespace qc
