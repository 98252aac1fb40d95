#include "kernels/integer_gemm/x86_avx2_tiles.h"

namespace qc {
namespace {

struct VnniDots : StepByStep<VnniDots> {
  static constexpr size_t kRows = 6;
  struct Weights {
    __m256i bytes;
    explicit Weights(const int8_t* panel)
        : bytes(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel))) {}
  };
  struct X {
    __m256i bytes;
    explicit X(const uint8_t* x) {
      int32_t four;
      __builtin_memcpy(&four, x, sizeof(four));
      bytes = _mm256_set1_epi32(four);
    }
  };
  static __m256i add(__m256i sum, const X& x, const Weights& w) {
    return _mm256_dpbusd_avx_epi32(sum, x.bytes, w.bytes);
  }
};

}  // namespace

void integer_gemm_avx_vnni(const int8_t* panel, size_t vectors, const IntegerRows& rows,
                           const IntegerResults& results) {
  multiply_panel<VnniDots>(panel, vectors, rows, results);
}

}  // namespace qc
