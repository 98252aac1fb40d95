// Which copy_rows to run. Apart from copy_rows.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/copy_rows/copy_rows.h"

namespace qc {

struct CopyRows {
  const char* name;
  copy_rows_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
CopyRows get_copy_rows(Isa isa);

}  // namespace qc
