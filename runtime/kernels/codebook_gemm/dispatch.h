// Which codebook_gemm to run. Apart from codebook_gemm.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/codebook_gemm/codebook_gemm.h"

namespace qc {

// Makes a panel x [columns, stride] ready for `run`, in place.
using prepare_panel_fn = void (*)(size_t columns, size_t stride, float* panel);

struct CodebookGemm {
  const char* name;
  codebook_gemm_fn run;
  prepare_panel_fn prepare = nullptr;  // null: the panel is ready as it is
  size_t columns_in_row = 1;           // how many columns of x a row of the panel that is ready holds
};

// The best kernel that needs no more than `isa`, which this machine has.
CodebookGemm get_codebook_gemm(Isa isa);

}  // namespace qc
