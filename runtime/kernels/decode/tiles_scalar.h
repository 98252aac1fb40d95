// Reads single codes of tiles (docs/packed-format.md, section 7): the reference of every decoder.
#pragma once

#include "base/tiled_weight.h"

namespace qc {

// Code `i`, counted through all tiles.
static inline size_t code_at(const TiledWeight& weight, size_t i) {
  const uint8_t* plane = weight.tiles + i / kTileCodes * (kTileCodes / 8) * weight.bits;
  const size_t in_tile = i % kTileCodes;
  size_t code = 0, low = 0;
  for (size_t width = 8; width > 0; width /= 2) {
    if ((weight.bits & width) == 0) continue;
    const size_t plane_bytes = kTileCodes / 8 * width;
    const size_t shift = width * (in_tile / plane_bytes);
    code |= (static_cast<size_t>(plane[in_tile % plane_bytes]) >> shift & ((size_t{1} << width) - 1)) << low;
    plane += plane_bytes;
    low += width;
  }
  return code;
}

// What code `i` stands for in the weight of `output`.
static inline int8_t integer_weight_at(const TiledWeight& weight, size_t i, size_t output) {
  const size_t code = code_at(weight, i);
  if (weight.codebook == nullptr)
    return static_cast<int8_t>(static_cast<int>(code) - (1 << (weight.bits - 1)));
  return weight.codebook[(output / weight.outputs_per_codebook << weight.bits) + code];
}

}  // namespace qc
