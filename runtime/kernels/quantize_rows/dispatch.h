// Which quantize_rows to run. Apart from quantize_rows.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/quantize_rows/quantize_rows.h"

namespace qc {

struct QuantizeRows {
  const char* name;
  quantize_rows_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
QuantizeRows get_quantize_rows(Isa isa);

}  // namespace qc
