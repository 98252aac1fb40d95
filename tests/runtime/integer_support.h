// What the tests of integer operators share: random codes, packed tiles, the meaning of a code.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/code_range.h"
#include "base/isa.h"
#include "base/tiled_weight.h"
#include "compute/parallel.h"
#include "support.h"

namespace qc::test {

// Tasks in reverse order: none may rely on an earlier one.
inline void run_tasks_backwards(size_t count, const Task& task) {
  for (size_t i = count; i-- > 0;) task(i);
}

inline bool is_available(Isa isa) {
  for (Isa available : available_isas())
    if (available == isa) return true;
  return false;
}

// A half of them are 0 or 255.
inline std::vector<uint8_t> random_codes(Random& random, size_t count) {
  std::vector<uint8_t> codes(count);
  for (uint8_t& code : codes) {
    const size_t kind = uniform(random, 0, 3);
    code = static_cast<uint8_t>(kind == 0 ? 0 : kind == 1 ? 255 : uniform(random, 0, 255));
  }
  return codes;
}

// `v` rounded, ties to even, and cut; NaN gives the least.
inline uint8_t plain_code(float v, const CodeRange& range) {
  if (std::isnan(v)) return range.least;
  const float cut =
      std::min(std::max(std::nearbyint(v), static_cast<float>(range.least)), static_cast<float>(range.most));
  return static_cast<uint8_t>(cut);
}

// Tiles of codes that are already in the order of kernels: docs/packed-format.md, section 7.
inline std::vector<uint8_t> pack_tiles(const std::vector<uint8_t>& codes, size_t bits) {
  const size_t tiles = (codes.size() + kTileCodes - 1) / kTileCodes, tile_bytes = 32 * bits;
  std::vector<uint8_t> packed(tiles * tile_bytes, 0);
  for (size_t i = 0; i < codes.size(); ++i) {
    uint8_t* plane = packed.data() + i / kTileCodes * tile_bytes;
    size_t low = 0;
    for (size_t width : {8, 4, 2, 1}) {
      if ((bits & width) == 0) continue;
      const size_t place = i % kTileCodes, part = codes[i] >> low & ((1u << width) - 1);
      plane[place % (32 * width)] |= static_cast<uint8_t>(part << (width * (place / (32 * width))));
      plane += 32 * width;
      low += width;
    }
  }
  return packed;
}

}  // namespace qc::test
