// Which decode_tiles to run. Apart from decode_tiles.h, because ISA files must not see the standard
// library.
#pragma once

#include "base/isa.h"
#include "kernels/decode_tiles/decode_tiles.h"

namespace qc {

struct DecodeTiles {
  const char* name;
  decode_tiles_fn run;
};

// The best kernel that needs no more than `isa`, which this machine has.
DecodeTiles get_decode_tiles(Isa isa);

}  // namespace qc
