#include "kernels/integer_depthwise/x86_avx512.h"

namespace qc {
namespace {

constexpr size_t kSmallWeight = 64;

// Weights of any size: pairs of words, each a byte of four in a dword.
struct WordsDot {
  struct Codes {
    __m512i even, odd;
  };
  using Weights = Codes;

  static Codes codes(__m512i bytes) {
    return {_mm512_and_si512(bytes, _mm512_set1_epi16(0xff)), _mm512_srli_epi16(bytes, 8)};
  }
  static Weights weights(__m512i bytes) {
    return {_mm512_srai_epi16(_mm512_slli_epi16(bytes, 8), 8), _mm512_srai_epi16(bytes, 8)};
  }
  static __m512i begin(__m512i start) { return start; }
  static __m512i end(__m512i sums, __m512i) { return sums; }
  static __m512i add(__m512i sums, const Codes& codes, const Weights& weights) {
    sums = _mm512_add_epi32(sums, _mm512_madd_epi16(codes.even, weights.even));
    return _mm512_add_epi32(sums, _mm512_madd_epi16(codes.odd, weights.odd));
  }
};

// Weights from -64 to 64: a sum of two products is at most 2 * 255 * 64 = 32640, which a word holds. (Sums of
// words for weights up to 8, as with AVX2, were no faster.)
struct SmallDot {
  using Codes = __m512i;
  using Weights = __m512i;

  static Codes codes(__m512i bytes) { return bytes; }
  static Weights weights(__m512i bytes) { return bytes; }
  static __m512i begin(__m512i start) { return start; }
  static __m512i end(__m512i sums, __m512i) { return sums; }
  static __m512i add(__m512i sums, Codes codes, Weights weights) {
    const __m512i pairs = _mm512_maddubs_epi16(codes, weights);
    return _mm512_add_epi32(sums, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
  }
};

bool are_small(const int8_t* weights, size_t count) {
  __m512i largest = _mm512_setzero_si512();
  for (size_t i = 0; i < count; i += 64) {
    const __m512i bytes = _mm512_maskz_loadu_epi8(first_64(count - i), weights + i);
    largest = _mm512_max_epu8(largest, _mm512_abs_epi8(bytes));
  }
  return _mm512_cmpgt_epu8_mask(largest, _mm512_set1_epi8(kSmallWeight)) == 0;
}

}  // namespace

void integer_depthwise_avx512(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output) {
  const size_t taps = block.kernel_rows * block.kernel_columns;
  if (are_small(block.weights, taps * block.channels)) return convolve_depthwise_by<SmallDot>(block, output);
  convolve_depthwise_by<WordsDot>(block, output);
}

}  // namespace qc
