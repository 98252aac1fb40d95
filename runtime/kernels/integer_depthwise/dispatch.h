// Which integer_depthwise to run. Apart from integer_depthwise.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/integer_depthwise/integer_depthwise.h"

namespace qc {

struct IntegerDepthwise {
  const char* name;
  integer_depthwise_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
IntegerDepthwise get_integer_depthwise(Isa isa);

}  // namespace qc
