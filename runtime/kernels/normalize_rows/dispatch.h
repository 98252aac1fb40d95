// Which normalize_rows to run. Apart from normalize_rows.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/normalize_rows/normalize_rows.h"

namespace qc {

struct NormalizeRows {
  const char* name;
  normalize_rows_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
NormalizeRows get_normalize_rows(Isa isa);

}  // namespace qc
