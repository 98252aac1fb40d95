#include <immintrin.h>

#include <cstddef>

#include "kernels/round_bfloat16/round_bfloat16.h"

namespace qc {
namespace {

constexpr size_t kLanes = 8;

// As in scalar.h.
inline __m256 rounded(__m256 v) {
  const __m256i bits = _mm256_castps_si256(v);
  const __m256i last = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i sum = _mm256_add_epi32(bits, _mm256_add_epi32(last, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256 chosen = _mm256_blendv_ps(_mm256_castsi256_ps(sum), _mm256_castsi256_ps(quiet),
                                         _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
  return _mm256_and_ps(chosen, _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(0xffff0000u))));
}

}  // namespace

void round_bfloat16_avx2(size_t rows, size_t columns, float* x) {
  const size_t count = rows * columns, whole = count / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) _mm256_storeu_ps(x + i, rounded(_mm256_loadu_ps(x + i)));
  if (whole == count) return;
  alignas(32) float last[kLanes] = {};
  for (size_t i = whole; i < count; ++i) last[i - whole] = x[i];
  _mm256_store_ps(last, rounded(_mm256_load_ps(last)));
  for (size_t i = whole; i < count; ++i) x[i] = last[i - whole];
}

}  // namespace qc
