#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/row_sums/row_sums.h"

namespace qc {

void row_sums_avx512(const RowsToSum& source, int32_t factor, int32_t* y) {
  constexpr size_t kBytes = 64;
  const size_t whole = source.columns / kBytes * kBytes;
  const __mmask64 rest = (uint64_t{1} << (source.columns - whole)) - 1;
  const __m512i zero = _mm512_setzero_si512();
  const uint8_t* x = source.x;
  for (size_t p = 0; p < source.rows; ++p, x += source.stride) {
    __m512i sums = zero;
    for (size_t j = 0; j < whole; j += kBytes)
      sums = _mm512_add_epi64(sums, _mm512_sad_epu8(_mm512_loadu_si512(x + j), zero));
    if (rest != 0)
      sums = _mm512_add_epi64(sums, _mm512_sad_epu8(_mm512_maskz_loadu_epi8(rest, x + whole), zero));
    y[p] = factor * static_cast<int32_t>(_mm512_reduce_add_epi64(sums));
  }
}

}  // namespace qc
