#include <immintrin.h>

#include "kernels/integer_depthwise/loops.h"

namespace qc {
namespace {

constexpr size_t kLanes = 8;  // channels

inline __m256i dwords_of(const uint8_t* x) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x)));
}
inline __m256i signed_dwords_of(const int8_t* x) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x)));
}

// The sums of eight channels. The upper word of a code's dword is zero: so a product of pairs of words is the
// product of the lower ones, exact.
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

// Rounded and cut as code_of does it: the maximum of NaN and a number is its second operand.
inline void store_codes(__m256 v, const IntegerDepthwiseOutput& output, size_t place) {
  const __m256 cut =
      _mm256_min_ps(_mm256_max_ps(v, _mm256_set1_ps(output.least)), _mm256_set1_ps(output.most));
  const __m256i dwords = _mm256_cvtps_epi32(cut);
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(dwords), _mm256_extracti128_si256(dwords, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(output.codes + place), _mm_packus_epi16(words, words));
}

inline void store(const IntegerDepthwiseOutput& output, size_t place, size_t channel, __m256i sum) {
  const __m256 scale = _mm256_loadu_ps(output.scale + channel), bias = _mm256_loadu_ps(output.bias + channel);
  __m256 v = _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale), bias);
  if (output.floats != nullptr) return _mm256_storeu_ps(output.floats + place, v);
  if (output.residual != nullptr) {
    const __m256 residual = _mm256_cvtepi32_ps(dwords_of(output.residual + place));
    v = _mm256_add_ps(v, _mm256_mul_ps(residual, _mm256_set1_ps(output.residual_scale)));
  }
  store_codes(v, output, place);
}

}  // namespace

void integer_depthwise_avx2(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output) {
  if (block.multiplier != 1) return depthwise_loops(block, output, 0, block.channels);
  const size_t whole = block.channels / kLanes * kLanes;
  for (size_t r = 0; r < block.rows; ++r)
    for (size_t j = 0; j < block.columns; ++j)
      for (size_t c = 0; c < whole; c += kLanes)
        store(output, (r * block.columns + j) * block.channels + c, c, sums_of(block, r, j, c));
  if (whole < block.channels) depthwise_loops(block, output, whole, block.channels);
}

}  // namespace qc
