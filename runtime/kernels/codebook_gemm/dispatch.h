// Which codebook_gemm to run. Apart from codebook_gemm.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/codebook_gemm/codebook_gemm.h"

namespace qc {

struct CodebookGemm {
  const char* name;
  codebook_gemm_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
CodebookGemm get_codebook_gemm(Isa isa);

}  // namespace qc
