#include "kernels/codes/x86_avx2.h"

#include "kernels/normalize_rows/scalar.h"

namespace qc {
namespace {

// The bits of the largest size: those of infinity or more where a number is not finite.
uint32_t bits_of_largest(size_t columns, const float* x) {
  __m256i size = _mm256_setzero_si256();
  for_lanes(columns, [&](size_t j, const Lanes& lanes) {
    const __m256i bits = _mm256_castps_si256(lanes.load(x + j));
    size = _mm256_max_epu32(size, _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff)));
  });
  uint32_t sizes[kLanes], largest = 0;
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(sizes), size);
  for (uint32_t one : sizes) largest = one > largest ? one : largest;
  return largest;
}

// Exact.
RowMoments read_moments(const RowsToNormalize& shape, float units, const float* x) {
  const __m256 factor = _mm256_set1_ps(units);
  __m256i total = _mm256_setzero_si256(), squares = total;
  for_lanes(shape.columns, [&](size_t j, const Lanes& lanes) {
    const __m256i numbers = _mm256_cvtps_epi32(_mm256_mul_ps(lanes.load(x + j), factor));
    const __m256i others = _mm256_srli_epi64(numbers, 32);
    const __m128i low = _mm256_castsi256_si128(numbers), high = _mm256_extracti128_si256(numbers, 1);
    total =
        _mm256_add_epi64(total, _mm256_add_epi64(_mm256_cvtepi32_epi64(low), _mm256_cvtepi32_epi64(high)));
    squares = _mm256_add_epi64(
        squares, _mm256_add_epi64(_mm256_mul_epi32(numbers, numbers), _mm256_mul_epi32(others, others)));
  });
  return moments_of(shape, units, sum_of_quadwords(total), sum_of_quadwords(squares));
}

class Normalizer {
 public:
  Normalizer(const RowsToNormalize& shape, float units, const RowMoments& row)
      : shape_(shape),
        limits_(shape.least, shape.most),
        units_(_mm256_set1_ps(units)),
        center_(_mm256_set1_ps(row.center)),
        gain_(_mm256_set1_ps(row.gain)) {}

  __m256i codes(const float* x, size_t j, const Lanes& lanes) const {
    const __m256 scaled = _mm256_mul_ps(lanes.load(x + j), units_);
    const __m256 numbers = _mm256_round_ps(scaled, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m256 normal = _mm256_mul_ps(_mm256_sub_ps(numbers, center_), gain_);
    const __m256 stretched = _mm256_mul_ps(normal, lanes.load(shape_.scale + j));
    return codes_of(_mm256_add_ps(stretched, lanes.load(shape_.bias + j)), limits_);
  }

 private:
  const RowsToNormalize& shape_;
  const CodeLimits limits_;
  const __m256 units_, center_, gain_;
};

}  // namespace

void normalize_rows_avx2(const RowsToNormalize& shape, const float* x, uint8_t* y) {
  for (size_t p = 0; p < shape.rows; ++p, x += shape.columns, y += shape.columns) {
    const uint32_t bits = bits_of_largest(shape.columns, x);
    if (bits >= kBitsOfInfinity) {
      __builtin_memset(y, shape.least, shape.columns);
      continue;
    }
    float largest;
    __builtin_memcpy(&largest, &bits, sizeof(largest));
    const float units = units_of(largest);
    const Normalizer normalizer(shape, units, read_moments(shape, units, x));
    for_lanes(shape.columns,
              [&](size_t j, const Lanes& lanes) { lanes.store(y + j, normalizer.codes(x, j, lanes)); });
  }
}

}  // namespace qc
