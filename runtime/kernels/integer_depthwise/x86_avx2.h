// integer_depthwise for any way to multiply, for files compiled for AVX2 only.
#pragma once

#include "kernels/integer_depthwise/loops.h"
#include "kernels/integer_depthwise/strip.h"
#include "kernels/integer_depthwise/x86_avx2_lanes.h"

namespace qc {
namespace {

constexpr size_t kLanes = 8;  // channels

inline __m256i signed_dwords_of(const int8_t* x) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x)));
}

// Any kernel, 8 channels of one output. The upper word of a code's dword is zero: so a product of pairs of
// words is the product of the lower ones, exact.
inline __m256i sums_of(const IntegerDepthwiseBlock& b, size_t row, size_t column, size_t channel) {
  __m256i sum = _mm256_setzero_si256(), weights = sum;
  const int8_t* weight = b.weights + channel;
  for (size_t u = 0; u < b.kernel_rows; ++u) {
    const uint8_t* const* x =
        b.x + (row * b.row_step + u * b.row_tap_step) * b.pitch + column * b.column_step;
    for (size_t v = 0; v < b.kernel_columns; ++v, weight += b.channels, x += b.column_tap_step) {
      const __m256i w = signed_dwords_of(weight);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(dwords_of(*x + channel), w));
      weights = _mm256_add_epi32(weights, w);
    }
  }
  return _mm256_sub_epi32(sum, _mm256_mullo_epi32(weights, _mm256_set1_epi32(b.zero_point)));
}

// The channels up to `end`, a whole number of vectors.
inline void convolve_any(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output,
                         size_t end) {
  for (size_t c = 0; c < end; c += kLanes) {
    const DepthwiseResults<Narrow> results(output, c, Narrow());
    for (size_t r = 0; r < block.rows; ++r)
      for (size_t j = 0; j < block.columns; ++j) {
        const __m256i sums[1] = {sums_of(block, r, j, c)};
        results.store(sums, (r * block.columns + j) * block.channels + c);
      }
  }
}

template <class Dot, size_t kernel, size_t stride>
void convolve_strips(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output, size_t end) {
  size_t c = 0;
  for (; c + 32 <= end; c += 32) Strip<Dot, Wide, kernel, stride>(block, output, c, Wide()).run();
  for (; c < end; c += kLanes) Strip<Dot, Narrow, kernel, stride>(block, output, c, Narrow()).run();
}

template <class Dot>
void convolve_depthwise_by(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output) {
  if (block.multiplier != 1) return depthwise_loops(block, output, 0, block.channels);
  const size_t end = block.channels / kLanes * kLanes;
  const size_t kernel = block.kernel_rows == block.kernel_columns ? block.kernel_rows : 0;
  const size_t stride = block.column_tap_step == 1 ? block.column_step : 0;
  if (kernel == 3 && stride == 1) {
    convolve_strips<Dot, 3, 1>(block, output, end);
  } else if (kernel == 3 && stride == 2) {
    convolve_strips<Dot, 3, 2>(block, output, end);
  } else if (kernel == 5 && stride == 1) {
    convolve_strips<Dot, 5, 1>(block, output, end);
  } else if (kernel == 5 && stride == 2) {
    convolve_strips<Dot, 5, 2>(block, output, end);
  } else {
    convolve_any(block, output, end);
  }
  if (end < block.channels) depthwise_loops(block, output, end, block.channels);
}

}  // namespace
}  // namespace qc
