#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/row_sums/row_sums.h"

namespace qc {
namespace {

constexpr size_t kBytes = 64;
constexpr size_t kRows = 8;  // at once: their registers of partial sums are added up together

// Partial sums of one row, in eight lanes.
inline __m512i sum_row(const uint8_t* x, size_t whole, __mmask64 rest) {
  const __m512i zero = _mm512_setzero_si512();
  __m512i sums = zero;
  for (size_t j = 0; j < whole; j += kBytes)
    sums = _mm512_add_epi64(sums, _mm512_sad_epu8(_mm512_loadu_si512(x + j), zero));
  if (rest == 0) return sums;
  return _mm512_add_epi64(sums, _mm512_sad_epu8(_mm512_maskz_loadu_epi8(rest, x + whole), zero));
}

// Neighbouring pieces of 128 bits: of a in the lower half, of b in the upper one.
inline __m512i add_pieces(__m512i a, __m512i b) {
  return _mm512_add_epi64(_mm512_shuffle_i64x2(a, b, 0x88), _mm512_shuffle_i64x2(a, b, 0xDD));
}

// Lane r is the sum of the lanes of register r.
inline __m512i add_lanes(const __m512i (&row)[kRows]) {
  __m512i pair[kRows / 2];
  for (size_t i = 0; i < kRows / 2; ++i)
    pair[i] = _mm512_add_epi64(_mm512_unpacklo_epi64(row[2 * i], row[2 * i + 1]),
                               _mm512_unpackhi_epi64(row[2 * i], row[2 * i + 1]));
  return add_pieces(add_pieces(pair[0], pair[1]), add_pieces(pair[2], pair[3]));
}

}  // namespace

void row_sums_avx512(const RowsToSum& source, int32_t factor, int32_t* y) {
  const size_t whole = source.columns / kBytes * kBytes;
  const __mmask64 rest = (uint64_t{1} << (source.columns - whole)) - 1;
  const uint8_t* x = source.x;
  size_t p = 0;
  for (; p + kRows <= source.rows; p += kRows) {
    __m512i row[kRows];
    for (size_t r = 0; r < kRows; ++r, x += source.stride) row[r] = sum_row(x, whole, rest);
    const __m256i sums = _mm512_cvtepi64_epi32(add_lanes(row));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + p),
                        _mm256_mullo_epi32(sums, _mm256_set1_epi32(factor)));
  }
  for (; p < source.rows; ++p, x += source.stride)
    y[p] = factor * static_cast<int32_t>(_mm512_reduce_add_epi64(sum_row(x, whole, rest)));
}

}  // namespace qc
