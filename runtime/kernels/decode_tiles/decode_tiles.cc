#include "kernels/decode_tiles/decode_tiles.h"

#include "kernels/decode_tiles/dispatch.h"

namespace qc {

DecodeTiles get_decode_tiles(Isa isa) {
#define QC_DECODE_TILES(needed, name) \
  if (includes(isa, Isa::needed)) return {#name, name};
#include "kernels/decode_tiles/kernels.inc"
#undef QC_DECODE_TILES
  return {};  // Not reached: every machine has `scalar`.
}

}  // namespace qc
