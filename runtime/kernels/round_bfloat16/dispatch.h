// Which round_bfloat16 to run. Apart from round_bfloat16.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/round_bfloat16/round_bfloat16.h"

namespace qc {

struct RoundBfloat16 {
  const char* name;
  round_bfloat16_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
RoundBfloat16 get_round_bfloat16(Isa isa);

}  // namespace qc
