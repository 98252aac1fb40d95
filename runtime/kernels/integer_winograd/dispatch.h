// Which integer_winograd to run. Apart from integer_winograd.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/integer_winograd/integer_winograd.h"

namespace qc {

struct IntegerWinogradKernels {
  const char* name;
  winograd_weights_fn transform_weights;
  winograd_input_fn transform_input;
  integer_winograd_fn run;
};

// The best kernels that need no more than `isa`, which this machine has.
IntegerWinogradKernels get_integer_winograd(Isa isa);

}  // namespace qc
