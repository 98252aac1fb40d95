// The loops of integer_max_pool for a compiler to vectorize: a file includes them and is compiled with its
// flags.
#pragma once

#include "kernels/integer_max_pool/integer_max_pool.h"

namespace qc {

static inline void take_larger(size_t count, const uint8_t* __restrict x, uint8_t* __restrict y) {
  for (size_t c = 0; c < count; ++c) y[c] = x[c] > y[c] ? x[c] : y[c];
}

static inline void pool_loops(const WindowsToPool& windows, const uint8_t* x, uint8_t* y) {
  const size_t channels = windows.channels;
  for (size_t j = 0; j < windows.outputs; ++j, x += windows.step, y += channels) {
    for (size_t c = 0; c < channels; ++c) y[c] = x[c];
    for (size_t u = 0; u < windows.rows; ++u)
      for (size_t v = 0; v < windows.columns; ++v)
        take_larger(channels, x + u * windows.row_pitch + v * channels, y);
  }
}

}  // namespace qc
