#include <immintrin.h>

#include <cstddef>

#include "kernels/round_bfloat16/round_bfloat16.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16;

// As in scalar.h.
inline __m512 rounded(__m512 v) {
  const __m512i bits = _mm512_castps_si512(v);
  const __m512i last = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i sum = _mm512_add_epi32(bits, _mm512_add_epi32(last, _mm512_set1_epi32(0x7fff)));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  const __m512i chosen = _mm512_mask_or_epi32(sum, is_nan, bits, _mm512_set1_epi32(0x400000));
  return _mm512_castsi512_ps(_mm512_and_si512(chosen, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
}

}  // namespace

void round_bfloat16_avx512(size_t rows, size_t columns, float* x) {
  const size_t count = rows * columns, whole = count / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) _mm512_storeu_ps(x + i, rounded(_mm512_loadu_ps(x + i)));
  if (whole == count) return;
  const auto present = static_cast<__mmask16>((1u << (count - whole)) - 1);
  _mm512_mask_storeu_ps(x + whole, present, rounded(_mm512_maskz_loadu_ps(present, x + whole)));
}

}  // namespace qc
