// y[j * channels + c] = max x[u * row_pitch + j * step + v * channels + c]      over u in [0, rows), v in [0,
// columns)
//
// for j in [0, outputs), c in [0, channels): a row of windows that lie inside the image.
//
//   rows, columns  of a window, at least 1
//   y              may not overlap x
//
// Any outputs and channels, including 0. No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

struct WindowsToPool {
  size_t rows, columns;
  size_t row_pitch, step;  // codes
  size_t outputs, channels;
};

using integer_max_pool_fn = void (*)(const WindowsToPool& windows, const uint8_t* x, uint8_t* y);

#define QC_INTEGER_MAX_POOL(isa, name) void name(const WindowsToPool& windows, const uint8_t* x, uint8_t* y);
#include "kernels/integer_max_pool/kernels.inc"
#undef QC_INTEGER_MAX_POOL

}  // namespace qc
