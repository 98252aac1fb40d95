// Which add_scaled to run. Apart from add_scaled.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/add_scaled/add_scaled.h"

namespace qc {

struct AddScaled {
  const char* name;
  add_scaled_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
AddScaled get_add_scaled(Isa isa);

}  // namespace qc
