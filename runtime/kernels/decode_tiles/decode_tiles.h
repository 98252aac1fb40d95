// weights[i] = the int8 weight that code i stands for      for i in [0, 256 * weight.tile_count)
//
// Codes in the order of depthwise convolutions: code i is one of output i % outputs. What the codes of the
// padding stand for may be any weight.
//
//   weight   see base/tiled_weight.h
//   weights  256 * tile_count bytes; may not overlap the weight
//
// No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/tiled_weight.h"

namespace qc {

using decode_tiles_fn = void (*)(const TiledWeight& weight, size_t outputs, int8_t* weights);

#define QC_DECODE_TILES(isa, name) void name(const TiledWeight& weight, size_t outputs, int8_t* weights);
#include "kernels/decode_tiles/kernels.inc"
#undef QC_DECODE_TILES

}  // namespace qc
