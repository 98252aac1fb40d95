#include "kernels/integer_depthwise/x86_avx512.h"

namespace qc {
namespace {

struct VnniDot {
  using Codes = __m512i;
  using Weights = __m512i;

  static Codes codes(__m512i bytes) { return bytes; }
  static Weights weights(__m512i bytes) { return bytes; }
  static __m512i begin(__m512i start) { return start; }
  static __m512i end(__m512i sums, __m512i) { return sums; }
  static __m512i add(__m512i sums, Codes codes, Weights weights) {
    return _mm512_dpbusd_epi32(sums, codes, weights);
  }
};

}  // namespace

void integer_depthwise_avx512_vnni(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output) {
  convolve_depthwise_by<VnniDot>(block, output);
}

}  // namespace qc
