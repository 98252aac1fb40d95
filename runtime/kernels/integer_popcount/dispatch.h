// Which integer_popcount to run. Apart from integer_popcount.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/integer_popcount/integer_popcount.h"

namespace qc {

struct IntegerPopcountKernels {
  const char* name;
  popcount_weights_fn unpack_weights;
  popcount_pack_fn pack;
  popcount_sums_fn sum;
  integer_popcount_fn run;
};

// The best kernels that need no more than `isa`, which this machine has.
IntegerPopcountKernels get_integer_popcount(Isa isa);

}  // namespace qc
