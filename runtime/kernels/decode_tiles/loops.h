// The loops of decode_tiles for a compiler to vectorize: a file includes them and is compiled with its flags.
#pragma once

#include "kernels/decode_tiles/decode_tiles.h"

namespace qc {

// Adds the plane of `width` bits that starts at `plane` to the codes of a tile, as the bits from `low` on.
template <size_t width>
static inline void add_plane(const uint8_t* __restrict plane, size_t low, uint8_t* __restrict codes) {
  constexpr size_t kBytes = 32 * width;
  for (size_t part = 0; part < 8 / width; ++part)
    for (size_t i = 0; i < kBytes; ++i) {
      const auto code = static_cast<uint8_t>(plane[i] >> (width * part) & ((1u << width) - 1));
      codes[part * kBytes + i] = static_cast<uint8_t>(codes[part * kBytes + i] | code << low);
    }
}

// The 256 codes of a tile.
static inline void unpack_tile(const uint8_t* tile, size_t bits, uint8_t* codes) {
  for (size_t i = 0; i < kTileCodes; ++i) codes[i] = 0;
  size_t low = 0;
  if (bits & 8) add_plane<8>(tile + 32 * low, low, codes), low += 8;
  if (bits & 4) add_plane<4>(tile + 32 * low, low, codes), low += 4;
  if (bits & 2) add_plane<2>(tile + 32 * low, low, codes), low += 2;
  if (bits & 1) add_plane<1>(tile + 32 * low, low, codes);
}

static inline void unpack_tiles(const TiledWeight& weight, uint8_t* codes) {
  for (size_t tile = 0; tile < weight.tile_count; ++tile)
    unpack_tile(weight.tiles + tile * 32 * weight.bits, weight.bits, codes + tile * kTileCodes);
}

// Weights without a codebook, in place.
static inline void subtract_middle(size_t count, size_t bits, uint8_t* codes) {
  const auto middle = static_cast<uint8_t>(1u << (bits - 1));
  for (size_t i = 0; i < count; ++i) codes[i] = static_cast<uint8_t>(codes[i] - middle);
}

// Weights by codebooks, in place, for all whole rows of outputs: a run of outputs is served by one.
static inline void look_up_rows(const TiledWeight& weight, size_t outputs, size_t count, uint8_t* codes) {
  const size_t each = weight.outputs_per_codebook;
  for (size_t row = 0; row < count / outputs; ++row) {
    const auto* entries = reinterpret_cast<const uint8_t*>(weight.codebook);
    for (size_t output = 0; output < outputs; output += each, entries += size_t{1} << weight.bits)
      for (size_t i = 0; i < each; ++i, ++codes) *codes = entries[*codes];
  }
}

static inline void decode_tiles_loops(const TiledWeight& weight, size_t outputs, int8_t* weights) {
  const size_t count = weight.tile_count * kTileCodes;
  auto* const codes = reinterpret_cast<uint8_t*>(weights);
  unpack_tiles(weight, codes);
  if (weight.codebook == nullptr) return subtract_middle(count, weight.bits, codes);
  look_up_rows(weight, outputs, count, codes);
}

}  // namespace qc
