#include "kernels/codes/x86_avx512.h"

#include "kernels/softmax_rows/constants.h"
#include "kernels/softmax_rows/softmax_rows.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16;
constexpr float kInfinity = __builtin_inff();

// Minus infinity, which has no part in a softmax, behind the last column.
inline __m512 load(const float* x, __mmask16 lanes) {
  return _mm512_mask_loadu_ps(_mm512_set1_ps(-kInfinity), lanes, x);
}

// Of the numbers that are any.
float largest_of(size_t columns, const float* x) {
  __m512 most = _mm512_set1_ps(-kInfinity);
  for_each_16(columns, [&](size_t j, __mmask16 lanes) { most = _mm512_max_ps(load(x + j, lanes), most); });
  return _mm512_reduce_max_ps(most);
}

// The maximum returns its second operand if one is NaN; of which the conversion makes the sign bit alone.
inline __m512i units_of(__m512 below) {
  const __m512 exponent =
      _mm512_max_ps(_mm512_set1_ps(kLeastExponent), _mm512_mul_ps(below, _mm512_set1_ps(kLog2OfE)));
  const __m512 whole = _mm512_roundscale_ps(exponent, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 rest = _mm512_sub_ps(exponent, whole);
  __m512 power = _mm512_set1_ps(kPower[0]);
  for (size_t i = 1; i < sizeof(kPower) / sizeof(*kPower); ++i)
    power = _mm512_add_ps(_mm512_mul_ps(power, rest), _mm512_set1_ps(kPower[i]));
  return _mm512_cvtps_epi32(_mm512_scalef_ps(power, _mm512_add_ps(whole, _mm512_set1_ps(kUnitBits))));
}

struct UnitSum {
  int64_t total;
  bool has_nan;
};

// Exact: a lane adds up at most 2048 numbers of at most 2^20, without a sign.
UnitSum write_units(size_t columns, const float* x, float largest, int32_t* units) {
  const __m512 top = _mm512_set1_ps(largest);
  __m512i total = _mm512_setzero_si512(), seen = total;
  for_each_16(columns, [&](size_t j, __mmask16 lanes) {
    const __m512i some = units_of(_mm512_sub_ps(load(x + j, lanes), top));
    total = _mm512_add_epi32(total, some);
    seen = _mm512_or_si512(seen, some);
    _mm512_mask_storeu_epi32(units + j, lanes, some);
  });
  const __m512i wide = _mm512_add_epi64(_mm512_cvtepu32_epi64(_mm512_castsi512_si256(total)),
                                        _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(total, 1)));
  return {_mm512_reduce_add_epi64(wide), _mm512_movepi32_mask(seen) != 0};
}

void write_codes(const RowsOfSoftmax& shape, float gain, const int32_t* units, uint8_t* y) {
  const CodeLimits limits(shape.least, shape.most);
  const __m512 factor = _mm512_set1_ps(gain), bias = _mm512_set1_ps(shape.bias);
  const auto codes = [&](__m512i some) {
    return codes_of(_mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(some), factor), bias), limits);
  };
  size_t j = 0;
  for (; j + 4 * kLanes <= shape.columns; j += 4 * kLanes) {
    __m512i four[4];
    for (size_t i = 0; i < 4; ++i) four[i] = codes(_mm512_loadu_si512(units + j + i * kLanes));
    _mm512_storeu_si512(y + j, pack_bytes(four));
  }
  for (; j < shape.columns; j += kLanes) {
    const size_t left = shape.columns - j;
    const __mmask16 lanes = first_16(left < kLanes ? left : kLanes);
    _mm512_mask_cvtepi32_storeu_epi8(y + j, lanes, codes(_mm512_maskz_loadu_epi32(lanes, units + j)));
  }
}

// Rows next to each other: each step of one waits for all of the step before it, so others go meanwhile.
void softmax_some(const RowsOfSoftmax& shape, const float* x, uint8_t* y, int32_t* units) {
  const size_t columns = shape.columns;
  float largest[kRowsAtOnce];
  UnitSum sums[kRowsAtOnce];
  for (size_t p = 0; p < shape.rows; ++p) largest[p] = largest_of(columns, x + p * columns);
  for (size_t p = 0; p < shape.rows; ++p)
    sums[p] = write_units(columns, x + p * columns, largest[p], units + p * columns);
  for (size_t p = 0; p < shape.rows; ++p) {
    if (largest[p] < kInfinity && largest[p] > -kInfinity && !sums[p].has_nan) {
      write_codes(shape, shape.scale / static_cast<float>(sums[p].total), units + p * columns,
                  y + p * columns);
    } else {
      __builtin_memset(y + p * columns, shape.least, columns);
    }
  }
}

}  // namespace

void softmax_rows_avx512(const RowsOfSoftmax& shape, const float* x, uint8_t* y, int32_t* units) {
  RowsOfSoftmax some = shape;
  for (size_t p = 0; p < shape.rows; p += some.rows) {
    some.rows = shape.rows - p < kRowsAtOnce ? shape.rows - p : kRowsAtOnce;
    softmax_some(some, x + p * shape.columns, y + p * shape.columns, units);
  }
}

}  // namespace qc
