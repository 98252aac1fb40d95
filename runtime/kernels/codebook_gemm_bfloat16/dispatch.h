// Which codebook_gemm_bfloat16 to run. Apart from codebook_gemm_bfloat16.h, because ISA files must not see
// the standard library.
#pragma once

#include "base/isa.h"
#include "kernels/codebook_gemm_bfloat16/codebook_gemm_bfloat16.h"

namespace qc {

struct CodebookGemmBfloat16 {
  const char* name;
  pack_pairs_fn pack;
  codebook_gemm_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has. The scalar one is slower than
// rounded floats in codebook_gemm: it serves tests only.
CodebookGemmBfloat16 get_codebook_gemm_bfloat16(Isa isa);

}  // namespace qc
