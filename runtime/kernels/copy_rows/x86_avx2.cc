#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/copy_rows/copy_rows.h"

namespace qc {
namespace {

constexpr size_t kLanes = 8;

inline void copy_single(const float* from, size_t columns, size_t step, float* to) {
  for (size_t i = 0; i < columns; ++i) to[i] = from[i * step];
}

inline void copy_four(const float* from, float* to) { _mm_storeu_ps(to, _mm_loadu_ps(from)); }

// The last vector of a row over again where the row is not a whole number of them: a masked store is slow on
// some processors.
inline void copy_row(const float* from, size_t columns, float* to) {
  if (columns < 4) return copy_single(from, columns, 1, to);
  if (columns < kLanes) return copy_four(from, to), copy_four(from + columns - 4, to + columns - 4);
  for (size_t i = 0; i + kLanes < columns; i += kLanes) _mm256_storeu_ps(to + i, _mm256_loadu_ps(from + i));
  _mm256_storeu_ps(to + columns - kLanes, _mm256_loadu_ps(from + columns - kLanes));
}

inline __m256 even_of(__m256 low, __m256 high) {
  const __m256d pairs = _mm256_castps_pd(_mm256_shuffle_ps(low, high, 0x88));
  return _mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8));
}

// A whole vector reads one float beyond its last, so the row must go on after it.
inline void copy_row_of_pairs(const float* from, size_t columns, float* to) {
  size_t i = 0;
  for (; i + kLanes < columns; i += kLanes)
    _mm256_storeu_ps(to + i, even_of(_mm256_loadu_ps(from + 2 * i), _mm256_loadu_ps(from + 2 * i + kLanes)));
  copy_single(from + 2 * i, columns - i, 2, to + i);
}

// `shape` by value: stores of vectors may alias anything in memory.
void copy_rows(RowsToCopy shape, const float* from, float* to) {
  for (; shape.rows > 0; --shape.rows, from += shape.from_stride, to += shape.to_stride)
    shape.step == 1 ? copy_row(from, shape.columns, to) : copy_row_of_pairs(from, shape.columns, to);
}

}  // namespace

void copy_rows_avx2(const RowsToCopy& shape, const float* from, float* to) {
  return shape.step > 2 ? copy_rows_scalar(shape, from, to) : copy_rows(shape, from, to);
}

}  // namespace qc
