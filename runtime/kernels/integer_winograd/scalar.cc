#include "kernels/integer_gemm/scalar.h"

#include "kernels/integer_winograd/integer_winograd.h"
#include "kernels/integer_winograd/matrices.h"

namespace qc {
namespace {

// Sums wrap around: those of unsigned numbers may.
uint32_t wrapped(int value) { return static_cast<uint32_t>(value); }

uint32_t sum_of_position(const int8_t* weights, size_t vectors, const WinogradTiles& tiles, size_t tile,
                         size_t position, size_t output) {
  const uint8_t* const x = tiles.x + position * tiles.position_stride + tile * tiles.channels;
  const int8_t* const panel = weights + position * winograd_weights_stride(tiles.channels, vectors);
  uint32_t sum = 0;
  for (size_t c = 0; c < tiles.channels; ++c)
    sum += wrapped(x[c] * weight_in_panel(panel, vectors, output, c));
  return sum;
}

}  // namespace

void integer_winograd_scalar_weights(const int8_t* panel, const WinogradPanel& layout, int8_t* transformed) {
  for (size_t i = 0; i < layout.quads * 64; ++i) {
    int8_t* const to = transformed + i / 64 * layout.quad_stride + i % 64;
    for (size_t p = 0; p < kWinogradPositions; ++p) {
      int sum = 0;
      for (size_t k = 0; k < 9; ++k)
        sum += kWinogradG[p / 4][k / 3] * kWinogradG[p % 4][k % 3] * panel[k * layout.tap_stride + i];
      to[p * layout.position_stride] = static_cast<int8_t>(sum);
    }
  }
}

void integer_winograd_scalar_input(const uint8_t* const* pixels, size_t channels, uint8_t offset,
                                   uint8_t* transformed, size_t position_stride) {
  for (size_t c = 0; c < channels; ++c) {
    for (size_t p = 0; p < kWinogradPositions; ++p) {
      int sum = p == 5 ? 0 : offset;
      for (size_t k = 0; k < 16; ++k)
        sum += kWinogradB[p / 4][k / 4] * kWinogradB[p % 4][k % 4] * pixels[k][c];
      transformed[p * position_stride + c] = static_cast<uint8_t>(sum);
    }
  }
}

void integer_winograd_scalar(const int8_t* weights, size_t vectors, const WinogradTiles& tiles,
                             const int32_t* start, const IntegerResults& results) {
  for (size_t tile = 0; tile < tiles.count; ++tile) {
    const WinogradPlace& place = tiles.places[tile];
    for (size_t i = 0; i < results.outputs; ++i) {
      uint32_t sums[2][2];
      for (size_t ab = 0; ab < 4; ++ab) sums[ab / 2][ab % 2] = wrapped(start[ab * vectors * 16 + i]);
      for (size_t p = 0; p < kWinogradPositions; ++p) {
        const uint32_t sum = sum_of_position(weights, vectors, tiles, tile, p, i);
        for (size_t ab = 0; ab < 4; ++ab)
          sums[ab / 2][ab % 2] += wrapped(kWinogradA[ab / 2][p / 4] * kWinogradA[ab % 2][p % 4]) * sum;
      }
      for (size_t a = 0; a <= place.has_below; ++a)
        for (size_t b = 0; b <= place.has_right; ++b)
          store_result(results, place.position + a * tiles.y_columns + b, i,
                       static_cast<int32_t>(sums[a][b]) >> 2);
    }
  }
}

}  // namespace qc
