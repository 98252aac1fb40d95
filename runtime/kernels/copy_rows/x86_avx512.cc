#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/copy_rows/copy_rows.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16;

// The first `count` lanes, of at most 16.
inline __mmask16 first_lanes(size_t count) { return static_cast<__mmask16>((1u << count) - 1); }

inline __m512 even_of(__m512 low, __m512 high) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return _mm512_permutex2var_ps(low, even, high);
}

// `shape` by value: stores of vectors may alias anything in memory.
void copy_each(RowsToCopy shape, const float* from, float* to) {
  const size_t whole = shape.columns / kLanes * kLanes;
  const __mmask16 rest = first_lanes(shape.columns - whole);
  for (; shape.rows > 0; --shape.rows, from += shape.from_stride, to += shape.to_stride) {
    for (size_t i = 0; i < whole; i += kLanes) _mm512_storeu_ps(to + i, _mm512_loadu_ps(from + i));
    if (rest != 0) _mm512_mask_storeu_ps(to + whole, rest, _mm512_maskz_loadu_ps(rest, from + whole));
  }
}

// A whole vector reads one float beyond its last, so the row must go on after it.
void copy_every_second(RowsToCopy shape, const float* from, float* to) {
  const size_t whole = (shape.columns - 1) / kLanes * kLanes;
  const size_t count = shape.columns - whole, span = 2 * count - 1;
  const __mmask16 rest = first_lanes(count), rest_low = first_lanes(span < kLanes ? span : kLanes),
                  rest_high = first_lanes(span < kLanes ? 0 : span - kLanes);
  for (; shape.rows > 0; --shape.rows, from += shape.from_stride, to += shape.to_stride) {
    for (size_t i = 0; i < whole; i += kLanes)
      _mm512_storeu_ps(to + i,
                       even_of(_mm512_loadu_ps(from + 2 * i), _mm512_loadu_ps(from + 2 * i + kLanes)));
    const __m512 low = _mm512_maskz_loadu_ps(rest_low, from + 2 * whole);
    const __m512 high = _mm512_maskz_loadu_ps(rest_high, from + 2 * whole + kLanes);
    _mm512_mask_storeu_ps(to + whole, rest, even_of(low, high));
  }
}

}  // namespace

void copy_rows_avx512(const RowsToCopy& shape, const float* from, float* to) {
  if (shape.columns == 0) return;
  if (shape.step == 1) return copy_each(shape, from, to);
  if (shape.step == 2) return copy_every_second(shape, from, to);
  copy_rows_scalar(shape, from, to);
}

}  // namespace qc
