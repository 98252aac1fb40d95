// panel[t * 4 + q][v][lane][b] = weight of output first_output + 16 v + lane at column 16 t + 4 q + b
//
//     for t in [0, block.tiles), q and b in [0, 4), v in [0, block.vectors), lane in [0, 16)
//
// Packed codes of neighbouring outputs become the bytes that a dot product of four reads.
//
//   weight  see base/tiled_weight.h; the tiles of vector v are those from first_tile + v * tiles on
//   outputs beyond last_output are padding: they take the codebook of last_output
//   panel   64 * 4 * tiles * vectors bytes, aligned to 64
//
// Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/tiled_weight.h"

namespace qc {

constexpr size_t kPanelVectors = 4;  // at most

struct PanelOfWeights {
  size_t first_tile, tiles, vectors;
  size_t first_output, last_output;
};

using decode_panel_fn = void (*)(const TiledWeight& weight, const PanelOfWeights& block, int8_t* panel);

#define QC_DECODE_PANEL(isa, name) \
  void name(const TiledWeight& weight, const PanelOfWeights& block, int8_t* panel);
#include "kernels/decode_panel/kernels.inc"
#undef QC_DECODE_PANEL

}  // namespace qc
