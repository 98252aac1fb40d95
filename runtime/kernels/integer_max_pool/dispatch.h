// Which integer_max_pool to run. Apart from integer_max_pool.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/integer_max_pool/integer_max_pool.h"

namespace qc {

struct IntegerMaxPool {
  const char* name;
  integer_max_pool_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
IntegerMaxPool get_integer_max_pool(Isa isa);

}  // namespace qc
