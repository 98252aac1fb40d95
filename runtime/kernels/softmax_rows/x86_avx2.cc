#include "kernels/codes/x86_avx2.h"

#include "kernels/softmax_rows/constants.h"
#include "kernels/softmax_rows/softmax_rows.h"

namespace qc {
namespace {

constexpr float kInfinity = __builtin_inff();

// Minus infinity, which has no part in a softmax, behind the last column.
inline __m256 load(const float* x, const Lanes& lanes) {
  return _mm256_blendv_ps(_mm256_set1_ps(-kInfinity), lanes.load(x), _mm256_castsi256_ps(lanes.mask));
}

// Whether there is a softmax; of which `largest` is the largest.
bool read_largest(size_t columns, const float* x, float* largest) {
  __m256 most = _mm256_set1_ps(-kInfinity), odd = _mm256_setzero_ps();
  for_lanes(columns, [&](size_t j, const Lanes& lanes) {
    const __m256 some = load(x + j, lanes);
    odd = _mm256_or_ps(odd, _mm256_cmp_ps(some, some, _CMP_UNORD_Q));
    most = _mm256_max_ps(some, most);
  });
  float parts[kLanes];
  _mm256_storeu_ps(parts, most);
  *largest = -kInfinity;
  for (float one : parts) *largest = one > *largest ? one : *largest;
  return _mm256_movemask_ps(odd) == 0 && *largest < kInfinity && *largest > -kInfinity;
}

// A power of two is its exponent's bits.
inline __m256i units_of(__m256 below) {
  const __m256 exponent =
      _mm256_max_ps(_mm256_mul_ps(below, _mm256_set1_ps(kLog2OfE)), _mm256_set1_ps(kLeastExponent));
  const __m256 whole = _mm256_round_ps(exponent, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m256 rest = _mm256_sub_ps(exponent, whole);
  __m256 power = _mm256_set1_ps(kPower[0]);
  for (size_t i = 1; i < sizeof(kPower) / sizeof(*kPower); ++i)
    power = _mm256_add_ps(_mm256_mul_ps(power, rest), _mm256_set1_ps(kPower[i]));
  const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127 + kUnitBits));
  return _mm256_cvtps_epi32(_mm256_mul_ps(power, _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23))));
}

// Exact: quadwords.
int64_t write_units(size_t columns, const float* x, float largest, int32_t* units) {
  const __m256 top = _mm256_set1_ps(largest);
  __m256i total = _mm256_setzero_si256();
  for_lanes(columns, [&](size_t j, const Lanes& lanes) {
    const __m256i some = units_of(_mm256_sub_ps(load(x + j, lanes), top));
    total = _mm256_add_epi64(total, _mm256_cvtepi32_epi64(_mm256_castsi256_si128(some)));
    total = _mm256_add_epi64(total, _mm256_cvtepi32_epi64(_mm256_extracti128_si256(some, 1)));
    _mm256_maskstore_epi32(units + j, lanes.mask, some);
  });
  return sum_of_quadwords(total);
}

void write_codes(const RowsOfSoftmax& shape, float gain, const int32_t* units, uint8_t* y) {
  const CodeLimits limits(shape.least, shape.most);
  const __m256 factor = _mm256_set1_ps(gain), bias = _mm256_set1_ps(shape.bias);
  for_lanes(shape.columns, [&](size_t j, const Lanes& lanes) {
    const __m256 some = _mm256_cvtepi32_ps(_mm256_maskload_epi32(units + j, lanes.mask));
    lanes.store(y + j, codes_of(_mm256_add_ps(_mm256_mul_ps(some, factor), bias), limits));
  });
}

}  // namespace

void softmax_rows_avx2(const RowsOfSoftmax& shape, const float* x, uint8_t* y, int32_t* units) {
  for (size_t p = 0; p < shape.rows; ++p, x += shape.columns, y += shape.columns) {
    float largest;
    if (!read_largest(shape.columns, x, &largest)) {
      __builtin_memset(y, shape.least, shape.columns);
      continue;
    }
    const int64_t total = write_units(shape.columns, x, largest, units);
    write_codes(shape, shape.scale / static_cast<float>(total), units, y);
  }
}

}  // namespace qc
