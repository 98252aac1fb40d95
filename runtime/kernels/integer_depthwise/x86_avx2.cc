#include "kernels/integer_depthwise/x86_avx2.h"

namespace qc {
namespace {

constexpr size_t kTinyWeight = 8;
constexpr size_t kSmallWeight = 64;

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
  static __m256i begin(__m256i start) { return start; }
  static __m256i end(__m256i sums, __m256i) { return sums; }
  static __m256i add(__m256i sums, const Codes& codes, const Weights& weights) {
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(codes.even, weights.even));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(codes.odd, weights.odd));
  }
};

// Weights from -8 to 8: sums of words, two to a dword. A word takes at most 13 of the 25 taps of a kernel
// (ten of four rows, three of the last one), each at most 255 * 8: 26520, which a word holds.
struct TinyDot {
  using Codes = __m256i;
  using Weights = __m256i;

  static Codes codes(__m256i bytes) { return bytes; }
  static Weights weights(__m256i bytes) { return bytes; }
  static __m256i begin(__m256i) { return _mm256_setzero_si256(); }
  static __m256i end(__m256i sums, __m256i start) {
    return _mm256_add_epi32(start, _mm256_madd_epi16(sums, _mm256_set1_epi16(1)));
  }
  static __m256i add(__m256i sums, Codes codes, Weights weights) {
    return _mm256_add_epi16(sums, _mm256_maddubs_epi16(codes, weights));
  }
};

// Weights from -64 to 64: a sum of two products is at most 2 * 255 * 64 = 32640, which a word holds.
struct SmallDot {
  using Codes = __m256i;
  using Weights = __m256i;

  static Codes codes(__m256i bytes) { return bytes; }
  static Weights weights(__m256i bytes) { return bytes; }
  static __m256i begin(__m256i start) { return start; }
  static __m256i end(__m256i sums, __m256i) { return sums; }
  static __m256i add(__m256i sums, Codes codes, Weights weights) {
    const __m256i pairs = _mm256_maddubs_epi16(codes, weights);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

// The largest size of a weight.
size_t largest_of(const int8_t* weights, size_t count) {
  __m256i vector = _mm256_setzero_si256();
  size_t i = 0, largest = 0;
  for (; i + 32 <= count; i += 32)
    vector = _mm256_max_epu8(vector, _mm256_abs_epi8(load_32(reinterpret_cast<const uint8_t*>(weights) + i)));
  alignas(32) uint8_t sizes[32];
  _mm256_store_si256(reinterpret_cast<__m256i*>(sizes), vector);
  for (const size_t size : sizes) largest = size > largest ? size : largest;
  for (; i < count; ++i) {
    const auto size = static_cast<size_t>(weights[i] < 0 ? -weights[i] : weights[i]);
    largest = size > largest ? size : largest;
  }
  return largest;
}

}  // namespace

void integer_depthwise_avx2(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output) {
  const size_t taps = block.kernel_rows * block.kernel_columns;
  const size_t largest = largest_of(block.weights, taps * block.channels);
  if (largest <= kTinyWeight) return convolve_depthwise_by<TinyDot>(block, output);
  if (largest <= kSmallWeight) return convolve_depthwise_by<SmallDot>(block, output);
  convolve_depthwise_by<WordsDot>(block, output);
}

}  // namespace qc
