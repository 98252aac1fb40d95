#include "kernels/integer_depthwise/x86_avx2.h"

namespace qc {
namespace {

constexpr int kSmallWeight = 64;

// Weights of any size: pairs of words, each a byte of four in a dword.
struct WordsDot {
  struct Codes {
    __m256i even, odd;
  };
  using Weights = Codes;

  static Codes codes(__m256i bytes) {
    return {_mm256_and_si256(bytes, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(bytes, 8)};
  }
  static Weights weights(__m256i bytes) {
    return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
  }
  static __m256i add(__m256i sums, const Codes& codes, const Weights& weights) {
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(codes.even, weights.even));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(codes.odd, weights.odd));
  }
};

// Weights from -64 to 64: a sum of two products is at most 2 * 255 * 64 = 32640, which a word holds.
struct SmallDot {
  using Codes = __m256i;
  using Weights = __m256i;

  static Codes codes(__m256i bytes) { return bytes; }
  static Weights weights(__m256i bytes) { return bytes; }
  static __m256i add(__m256i sums, Codes codes, Weights weights) {
    const __m256i pairs = _mm256_maddubs_epi16(codes, weights);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

bool are_small(const int8_t* weights, size_t count) {
  __m256i largest = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= count; i += 32)
    largest =
        _mm256_max_epu8(largest, _mm256_abs_epi8(load_32(reinterpret_cast<const uint8_t*>(weights) + i)));
  bool small = true;
  for (; i < count; ++i) small = small && weights[i] >= -kSmallWeight && weights[i] <= kSmallWeight;
  const __m256i beyond = _mm256_subs_epu8(largest, _mm256_set1_epi8(kSmallWeight));
  return small && _mm256_testz_si256(beyond, beyond) != 0;
}

}  // namespace

void integer_depthwise_avx2(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output) {
  const size_t taps = block.kernel_rows * block.kernel_columns;
  if (are_small(block.weights, taps * block.channels)) return convolve_depthwise_by<SmallDot>(block, output);
  convolve_depthwise_by<WordsDot>(block, output);
}

}  // namespace qc
