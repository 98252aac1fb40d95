#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/row_sums/row_sums.h"

namespace qc {
namespace {

constexpr size_t kBytes = 32;

inline int32_t sum_of_lanes(__m256i sums) {
  const __m128i pair = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  return _mm_cvtsi128_si32(_mm_add_epi64(pair, _mm_unpackhi_epi64(pair, pair)));
}

}  // namespace

void row_sums_avx2(const RowsToSum& source, int32_t factor, int32_t* y) {
  const size_t whole = source.columns / kBytes * kBytes;
  const __m256i zero = _mm256_setzero_si256();
  const uint8_t* x = source.x;
  for (size_t p = 0; p < source.rows; ++p, x += source.stride) {
    __m256i sums = zero;
    for (size_t j = 0; j < whole; j += kBytes) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + j));
      sums = _mm256_add_epi64(sums, _mm256_sad_epu8(bytes, zero));
    }
    int32_t sum = sum_of_lanes(sums);
    for (size_t j = whole; j < source.columns; ++j) sum += x[j];
    y[p] = factor * sum;
  }
}

}  // namespace qc
