// Which add_elements to run. Apart from add_elements.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/add_elements/add_elements.h"

namespace qc {

struct AddElements {
  const char* name;
  add_elements_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
AddElements get_add_elements(Isa isa);

}  // namespace qc
