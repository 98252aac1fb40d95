// Which integer_gemv to run. Apart from integer_gemv.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/integer_gemv/integer_gemv.h"

namespace qc {

struct IntegerGemv {
  const char* name;
  integer_gemv_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
IntegerGemv get_integer_gemv(Isa isa);

}  // namespace qc
