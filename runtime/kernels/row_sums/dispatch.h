// Which row_sums to run. Apart from row_sums.h, because ISA files must not see the standard library.
#pragma once

#include "base/isa.h"
#include "kernels/row_sums/row_sums.h"

namespace qc {

struct RowSums {
  const char* name;
  row_sums_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
RowSums get_row_sums(Isa isa);

}  // namespace qc
