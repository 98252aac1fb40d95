// Which decode_panel to run. Apart from decode_panel.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/decode_panel/decode_panel.h"

namespace qc {

struct DecodePanel {
  const char* name;
  decode_panel_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
DecodePanel get_decode_panel(Isa isa);

}  // namespace qc
