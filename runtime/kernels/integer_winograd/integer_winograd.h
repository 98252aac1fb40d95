// Exact integer Winograd F(2x2, 3x3): a convolution by a kernel of 3x3 in tiles of 2x2 outputs, with 16
// products of bytes for what takes 36.
//
//   sum[a, b] = (sum_{i, j} A[a, i] * A[b, j] * sum_c U[i, j, c] * V[i, j, c]) / 4     a, b in {0, 1}
//   U = G g G^T    V = B d B^T    g 3x3 weights, d the 4x4 codes that a tile meets
//
//   A = 1  1  1  0    G = 2  0  0    B = 1  0 -1  0
//       0  1 -1 -1        1  1  1        0  1  1  0
//                         1 -1  1        0 -1  1  0
//                         0  0  2        0  1  0 -1
//
// G is twice the usual one: so U are integers, and the caller has checked that they are int8. With codes of
// at most M, V[1, 1] is in [0, 4 M] and all others are in [-2 M, 2 M]: these are kept with 2 M added, the
// caller's `offset`, and so all are uint8 for M up to 63. What that adds to a sum is no matter of kernels:
// the caller takes it off the sum's start. All sums are those of int32 that wraps around: beyond the ranges
// results are wrong, and nothing worse.
//
// The 16 positions [i, j] are counted through rows. Any counts, including 0 tiles; channels are a multiple
// of 4. No alignment is needed but for weights. Nothing allocates.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/integer_gemm/integer_gemm.h"

namespace qc {

constexpr size_t kWinogradPositions = 16;

// Bytes between the same U of two positions, for `vectors` vectors of outputs, [channels / 4][vectors][64]:
// an odd number of cache lines, so that positions lie in different sets.
static inline size_t winograd_weights_stride(size_t channels, size_t vectors) {
  return (channels / 4 * vectors | 1) * 64;
}

// Where 64 bytes lie, 16 outputs by four channels: of g panel[tap * tap_stride + q * 64], of U
// transformed[position * position_stride + q * quad_stride], for q in [0, quads). All are multiples of 64.
struct WinogradPanel {
  size_t quads, tap_stride, quad_stride, position_stride;
};

// U of a vector of 16 outputs and some channels. Both aligned to 64.
using winograd_weights_fn = void (*)(const int8_t* panel, const WinogradPanel& layout, int8_t* transformed);

// V of one tile: transformed[position * position_stride + c]. `pixels` are the codes of d, through rows.
using winograd_input_fn = void (*)(const uint8_t* const* pixels, size_t channels, uint8_t offset,
                                   uint8_t* transformed, size_t position_stride);

// Where the outputs of a tile go: the first of its positions of y, and which of the four there are.
struct WinogradPlace {
  size_t position;
  bool has_right, has_below;
};

// V of `count` tiles: x[position * position_stride + tile * channels + c].
struct WinogradTiles {
  const uint8_t* x;
  size_t count, channels, position_stride;
  const WinogradPlace* places;
  size_t y_columns;  // positions in a row of y
  BytesAhead ahead = {};
};

// The outputs of all tiles. `weights` are U of so many vectors, as winograd_weights_stride has them; `start`
// is [4][16 * vectors], added to the sums of (a, b) before they are divided; what becomes of sums is as in
// integer_gemm.h, but for its start.
using integer_winograd_fn = void (*)(const int8_t* weights, size_t vectors, const WinogradTiles& tiles,
                                     const int32_t* start, const IntegerResults& results);

#define QC_INTEGER_WINOGRAD(isa, name)                                                                   \
  void name##_weights(const int8_t* panel, const WinogradPanel& layout, int8_t* transformed);            \
  void name##_input(const uint8_t* const* pixels, size_t channels, uint8_t offset, uint8_t* transformed, \
                    size_t position_stride);                                                             \
  void name(const int8_t* weights, size_t vectors, const WinogradTiles& tiles, const int32_t* start,     \
            const IntegerResults& results);
#include "kernels/integer_winograd/kernels.inc"
#undef QC_INTEGER_WINOGRAD

}  // namespace qc
