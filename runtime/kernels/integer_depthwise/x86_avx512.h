// integer_depthwise for any way to multiply, for files compiled for AVX-512 only. A Dot has types Codes and
// Weights, made of dwords of four taps of one channel each, and
//   add(sums, codes, weights)      sums + the products of the four taps of each dword, exact
#pragma once

#include "kernels/integer_depthwise/loops.h"
#include "kernels/integer_depthwise/strip.h"
#include "kernels/integer_depthwise/x86_avx512_lanes.h"

namespace qc {
namespace {

template <class Dot, size_t kernel, size_t stride>
void convolve_strips(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output) {
  size_t c = 0;
  for (; c + 64 <= block.channels; c += 64) Strip<Dot, Wide, kernel, stride>(block, output, c, Wide()).run();
  for (; c + 32 <= block.channels; c += 32) Strip<Dot, Half, kernel, stride>(block, output, c, Half()).run();
  for (; c + 16 <= block.channels; c += 16)
    Strip<Dot, Narrow<true>, kernel, stride>(block, output, c, Narrow<true>(16)).run();
  if (c < block.channels)
    Strip<Dot, Narrow<false>, kernel, stride>(block, output, c, Narrow<false>(block.channels - c)).run();
}

// Any kernel, 16 channels of one output. The upper word of a code's dword is zero: so a product of pairs of
// words is the product of the lower ones, exact.
inline __m512i sums_of(const IntegerDepthwiseBlock& b, size_t row, size_t column, size_t channel,
                       __mmask16 lanes) {
  __m512i sum = _mm512_setzero_si512(), weights = sum;
  const int8_t* weight = b.weights + channel;
  for (size_t u = 0; u < b.kernel_rows; ++u) {
    const uint8_t* const* x =
        b.x + (row * b.row_step + u * b.row_tap_step) * b.pitch + column * b.column_step;
    for (size_t v = 0; v < b.kernel_columns; ++v, weight += b.channels, x += b.column_tap_step) {
      const __m512i w = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes, weight));
      const __m512i codes = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, *x + channel));
      sum = _mm512_add_epi32(sum, _mm512_madd_epi16(codes, w));
      weights = _mm512_add_epi32(weights, w);
    }
  }
  return _mm512_sub_epi32(sum, _mm512_mullo_epi32(weights, _mm512_set1_epi32(b.zero_point)));
}

inline void convolve_any(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output) {
  constexpr size_t kChannels = 16;
  for (size_t c = 0; c < block.channels; c += kChannels) {
    const size_t left = block.channels - c;
    const Narrow<false> lanes(left < kChannels ? left : kChannels);
    const DepthwiseResults<Narrow<false>> results(output, c, lanes);
    for (size_t r = 0; r < block.rows; ++r)
      for (size_t j = 0; j < block.columns; ++j) {
        const __m512i sums[1] = {sums_of(block, r, j, c, lanes.lanes)};
        results.store(sums, (r * block.columns + j) * block.channels + c);
      }
  }
}

template <class Dot>
void convolve_depthwise_by(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output) {
  if (block.multiplier != 1) return depthwise_loops(block, output, 0, block.channels);
  const size_t kernel = block.kernel_rows == block.kernel_columns ? block.kernel_rows : 0;
  const size_t stride = block.column_tap_step == 1 ? block.column_step : 0;
  if (kernel == 3 && stride == 1) return convolve_strips<Dot, 3, 1>(block, output);
  if (kernel == 3 && stride == 2) return convolve_strips<Dot, 3, 2>(block, output);
  if (kernel == 5 && stride == 1) return convolve_strips<Dot, 5, 1>(block, output);
  if (kernel == 5 && stride == 2) return convolve_strips<Dot, 5, 2>(block, output);
  convolve_any(block, output);
}

}  // namespace
}  // namespace qc
