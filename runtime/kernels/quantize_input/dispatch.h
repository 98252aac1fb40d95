// Which quantize_input to run. Apart from quantize_input.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/quantize_input/quantize_input.h"

namespace qc {

struct QuantizeInput {
  const char* name;
  quantize_input_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
QuantizeInput get_quantize_input(Isa isa);

}  // namespace qc
