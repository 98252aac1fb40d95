// Which integer_average to run. Apart from integer_average.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/integer_average/integer_average.h"

namespace qc {

struct IntegerAverage {
  const char* name;
  integer_average_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
IntegerAverage get_integer_average(Isa isa);

}  // namespace qc
