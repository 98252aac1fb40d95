#include "kernels/integer_gemm/x86_avx2_tiles.h"

namespace qc {
namespace {

// Products of bytes as those of 16-bit numbers: their sums by two are exact, where vpmaddubsw would saturate.
// Even and odd columns apart.
struct WideDots {
  static constexpr size_t kRows = 4;
  struct Weights {
    __m256i even, odd;
    explicit Weights(const int8_t* panel) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel));
      even = _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8);
      odd = _mm256_srai_epi16(bytes, 8);
    }
  };
  struct X {
    __m256i even, odd;
    explicit X(const uint8_t* x) {
      int32_t four;
      __builtin_memcpy(&four, x, sizeof(four));
      const __m256i bytes = _mm256_set1_epi32(four);
      even = _mm256_and_si256(bytes, _mm256_set1_epi16(0xff));
      odd = _mm256_srli_epi16(bytes, 8);
    }
  };
  static __m256i add(__m256i sum, const X& x, const Weights& w) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x.even, w.even));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x.odd, w.odd));
  }
};

}  // namespace

void integer_gemm_avx2(const int8_t* panel, size_t vectors, const IntegerRows& rows,
                       const IntegerResults& results) {
  multiply_panel<WideDots>(panel, vectors, rows, results);
}

}  // namespace qc
