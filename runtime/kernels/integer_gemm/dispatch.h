// Which integer_gemm to run. Apart from integer_gemm.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/integer_gemm/integer_gemm.h"

namespace qc {

struct IntegerGemm {
  const char* name;
  integer_gemm_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
IntegerGemm get_integer_gemm(Isa isa);

}  // namespace qc
