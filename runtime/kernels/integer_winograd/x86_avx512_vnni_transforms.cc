// The transforms of weights and of x: sums of bytes that wrap around, as the scalar ones do.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/integer_winograd/integer_winograd.h"

namespace qc {
namespace {

constexpr size_t kBytes = 64;

inline __m512i add(__m512i a, __m512i b) { return _mm512_add_epi8(a, b); }
inline __m512i subtract(__m512i a, __m512i b) { return _mm512_sub_epi8(a, b); }

// G times a column of three.
inline void expand(__m512i a, __m512i b, __m512i c, __m512i (&to)[4]) {
  const __m512i outer = add(a, c);
  to[0] = add(a, a);
  to[1] = add(outer, b);
  to[2] = subtract(outer, b);
  to[3] = add(c, c);
}

// B times a column of four.
inline void difference(__m512i a, __m512i b, __m512i c, __m512i d, __m512i (&to)[4]) {
  to[0] = subtract(a, c);
  to[1] = add(b, c);
  to[2] = subtract(c, b);
  to[3] = subtract(b, d);
}

// Channels of a tile, as many as `present` says.
inline void transform_channels(const uint8_t* const* pixels, size_t first, __mmask64 present, __m512i offset,
                               uint8_t* transformed, size_t position_stride) {
  __m512i columns[4][4];  // [column][row]
  for (size_t j = 0; j < 4; ++j) {
    const auto pixel = [&](size_t i) { return _mm512_maskz_loadu_epi8(present, pixels[i * 4 + j] + first); };
    difference(pixel(0), pixel(1), pixel(2), pixel(3), columns[j]);
  }
  for (size_t i = 0; i < 4; ++i) {
    __m512i row[4];
    difference(columns[0][i], columns[1][i], columns[2][i], columns[3][i], row);
    for (size_t j = 0; j < 4; ++j) {
      const __m512i kept = i == 1 && j == 1 ? row[j] : add(row[j], offset);
      _mm512_mask_storeu_epi8(transformed + (i * 4 + j) * position_stride + first, present, kept);
    }
  }
}

}  // namespace

void integer_winograd_avx512_vnni_weights(const int8_t* panel, const WinogradPanel& layout,
                                          int8_t* transformed) {
  const size_t tap_stride = layout.tap_stride, stride = layout.position_stride;
  for (size_t q = 0; q < layout.quads; ++q, panel += kBytes, transformed += layout.quad_stride) {
    __m512i columns[3][4];  // [column][row]
    for (size_t j = 0; j < 3; ++j) {
      const auto weight = [&](size_t i) { return _mm512_load_si512(panel + (i * 3 + j) * tap_stride); };
      expand(weight(0), weight(1), weight(2), columns[j]);
    }
    for (size_t i = 0; i < 4; ++i) {
      __m512i row[4];
      expand(columns[0][i], columns[1][i], columns[2][i], row);
      for (size_t j = 0; j < 4; ++j) _mm512_store_si512(transformed + (i * 4 + j) * stride, row[j]);
    }
  }
}

void integer_winograd_avx512_vnni_input(const uint8_t* const* pixels, size_t channels, uint8_t offset,
                                        uint8_t* transformed, size_t position_stride) {
  const __m512i offsets = _mm512_set1_epi8(static_cast<char>(offset));
  size_t c = 0;
  for (; c + kBytes <= channels; c += kBytes)
    transform_channels(pixels, c, ~__mmask64{0}, offsets, transformed, position_stride);
  if (c < channels)
    transform_channels(pixels, c, (__mmask64{1} << (channels - c)) - 1, offsets, transformed,
                       position_stride);
}

}  // namespace qc
