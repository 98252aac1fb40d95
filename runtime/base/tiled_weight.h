// An integer weight as kernels see it (docs/packed-format.md, section 7). Plain data: no ownership, no
// checks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

constexpr size_t kTileCodes = 256;  // 16 outputs x 16 of k: [4 of k4][16 outputs][4 of k]
constexpr size_t kTileLanes = 16;

// Code i of tile t, of `bits` bits, in planes: see the format. The weight is codebook[code], int8, of the
// codebook that serves its output; with no codebook it is code - 2^(bits - 1).
struct TiledWeight {
  const uint8_t* tiles;  // tile_count * 32 * bits bytes, of any alignment; nothing beyond is ever read
  size_t tile_count;
  size_t bits;                  // 1 to 8
  const int8_t* codebook;       // [groups, 2^bits], or null
  size_t outputs_per_codebook;  // at least 1
};

}  // namespace qc
