// Which integer_add to run. Apart from integer_add.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/integer_add/integer_add.h"

namespace qc {

struct IntegerAdd {
  const char* name;
  integer_add_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
IntegerAdd get_integer_add(Isa isa);

}  // namespace qc
