// Which pack_codes to run. Apart from pack_codes.h, because ISA files must not see the standard library.
#pragma once

#include "base/isa.h"
#include "kernels/pack_codes/pack_codes.h"

namespace qc {

struct PackCodes {
  const char* name;
  pack_codes_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
PackCodes get_pack_codes(Isa isa);

}  // namespace qc
