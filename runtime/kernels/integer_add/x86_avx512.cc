#include "kernels/codes/x86_avx512.h"

#include "kernels/integer_add/integer_add.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16;

class Adder {
 public:
  explicit Adder(const CodesToAdd& sum)
      : limits_(sum.least, sum.most),
        a_scale_(_mm512_set1_ps(sum.a_scale)),
        b_scale_(_mm512_set1_ps(sum.b_scale)),
        bias_(_mm512_set1_ps(sum.bias)) {}

  __m512i codes(__m128i a, __m128i b) const {
    const __m512 scaled_a = _mm512_mul_ps(floats_of(a), a_scale_),
                 scaled_b = _mm512_mul_ps(floats_of(b), b_scale_);
    return codes_of(_mm512_add_ps(_mm512_add_ps(scaled_a, scaled_b), bias_), limits_);
  }

 private:
  const CodeLimits limits_;
  const __m512 a_scale_, b_scale_, bias_;
};

}  // namespace

void integer_add_avx512(const CodesToAdd& sum, size_t count, const uint8_t* a, const uint8_t* b, uint8_t* y) {
  const Adder adder(sum);
  size_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    __m512i codes[4];
    for (size_t part = 0; part < 4; ++part)
      codes[part] = adder.codes(load_codes(a + i + part * kLanes), load_codes(b + i + part * kLanes));
    _mm512_storeu_si512(y + i, pack_bytes(codes));
  }
  for (; i < count; i += kLanes) {
    const __mmask16 lanes = first_16(count - i < kLanes ? count - i : kLanes);
    const __m512i codes = adder.codes(_mm_maskz_loadu_epi8(lanes, a + i), _mm_maskz_loadu_epi8(lanes, b + i));
    _mm_mask_storeu_epi8(y + i, lanes, _mm512_cvtepi32_epi8(codes));
  }
}

}  // namespace qc
