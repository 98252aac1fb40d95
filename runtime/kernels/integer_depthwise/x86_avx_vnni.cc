#include "kernels/integer_depthwise/x86_avx2.h"

namespace qc {
namespace {

struct VnniDot {
  using Codes = __m256i;
  using Weights = __m256i;

  static Codes codes(__m256i bytes) { return bytes; }
  static Weights weights(__m256i bytes) { return bytes; }
  static __m256i begin(__m256i start) { return start; }
  static __m256i end(__m256i sums, __m256i) { return sums; }
  static __m256i add(__m256i sums, Codes codes, Weights weights) {
    return _mm256_dpbusd_avx_epi32(sums, codes, weights);
  }
};

}  // namespace

void integer_depthwise_avx_vnni(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output) {
  convolve_depthwise_by<VnniDot>(block, output);
}

}  // namespace qc
