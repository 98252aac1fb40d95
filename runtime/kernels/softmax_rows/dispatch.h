// Which softmax_rows to run. Apart from softmax_rows.h, because ISA files must not see the standard library.
#pragma once

#include "base/isa.h"
#include "kernels/softmax_rows/softmax_rows.h"

namespace qc {

struct SoftmaxRows {
  const char* name;
  softmax_rows_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
SoftmaxRows get_softmax_rows(Isa isa);

}  // namespace qc
