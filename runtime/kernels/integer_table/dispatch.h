// Which integer_table to run. Apart from integer_table.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/integer_table/integer_table.h"

namespace qc {

struct IntegerTable {
  const char* name;
  integer_table_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
IntegerTable get_integer_table(Isa isa);

}  // namespace qc
