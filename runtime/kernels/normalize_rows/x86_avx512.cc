#include "kernels/codes/x86_avx512.h"

#include "kernels/normalize_rows/scalar.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16, kRowsAtOnce = 8;

// The bits of the largest size: those of infinity or more where a number is not finite.
uint32_t bits_of_largest(size_t columns, const float* x) {
  __m512i size = _mm512_setzero_si512();
  for_each_16(columns, [&](size_t j, __mmask16 lanes) {
    const __m512i bits = _mm512_castps_si512(_mm512_maskz_loadu_ps(lanes, x + j));
    size = _mm512_max_epu32(size, _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff)));
  });
  return _mm512_reduce_max_epu32(size);
}

// Exact: a lane of `total` adds up at most 2048 numbers of at most 2^19.
RowMoments read_moments(const RowsToNormalize& shape, float units, const float* x) {
  const __m512 factor = _mm512_set1_ps(units);
  __m512i total = _mm512_setzero_si512(), even = total, odd = total;
  for_each_16(shape.columns, [&](size_t j, __mmask16 lanes) {
    const __m512i numbers = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + j), factor));
    const __m512i others = _mm512_srli_epi64(numbers, 32);
    total = _mm512_add_epi32(total, numbers);
    even = _mm512_add_epi64(even, _mm512_mul_epi32(numbers, numbers));
    odd = _mm512_add_epi64(odd, _mm512_mul_epi32(others, others));
  });
  const __m512i wide = _mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_castsi512_si256(total)),
                                        _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(total, 1)));
  return moments_of(shape, units, _mm512_reduce_add_epi64(wide),
                    _mm512_reduce_add_epi64(_mm512_add_epi64(even, odd)));
}

class Normalizer {
 public:
  Normalizer(const RowsToNormalize& shape, float units, const RowMoments& row)
      : shape_(shape),
        limits_(shape.least, shape.most),
        units_(_mm512_set1_ps(units)),
        center_(_mm512_set1_ps(row.center)),
        gain_(_mm512_set1_ps(row.gain)) {}

  __m512i codes(const float* x, size_t j, __mmask16 lanes) const {
    const __m512 scaled = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + j), units_);
    const __m512 numbers = _mm512_roundscale_ps(scaled, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 normal = _mm512_mul_ps(_mm512_sub_ps(numbers, center_), gain_);
    const __m512 stretched = _mm512_mul_ps(normal, _mm512_maskz_loadu_ps(lanes, shape_.scale + j));
    return codes_of(_mm512_add_ps(stretched, _mm512_maskz_loadu_ps(lanes, shape_.bias + j)), limits_);
  }

 private:
  const RowsToNormalize& shape_;
  const CodeLimits limits_;
  const __m512 units_, center_, gain_;
};

void write_row(const RowsToNormalize& shape, const Normalizer& normalizer, const float* x, uint8_t* y) {
  size_t j = 0;
  for (; j + 4 * kLanes <= shape.columns; j += 4 * kLanes) {
    __m512i codes[4];
    for (size_t i = 0; i < 4; ++i) codes[i] = normalizer.codes(x, j + i * kLanes, 0xffff);
    _mm512_storeu_si512(y + j, pack_bytes(codes));
  }
  for (; j < shape.columns; j += kLanes) {
    const size_t left = shape.columns - j;
    const __mmask16 lanes = first_16(left < kLanes ? left : kLanes);
    _mm512_mask_cvtepi32_storeu_epi8(y + j, lanes, normalizer.codes(x, j, lanes));
  }
}

// Rows next to each other: each step of one waits for all of the step before it, so others go meanwhile.
void normalize_some(const RowsToNormalize& shape, const float* x, uint8_t* y) {
  const size_t columns = shape.columns;
  uint32_t bits[kRowsAtOnce];
  float units[kRowsAtOnce];
  RowMoments moments[kRowsAtOnce];
  for (size_t p = 0; p < shape.rows; ++p) bits[p] = bits_of_largest(columns, x + p * columns);
  for (size_t p = 0; p < shape.rows; ++p) {
    if (bits[p] >= kBitsOfInfinity) continue;
    float largest;
    __builtin_memcpy(&largest, &bits[p], sizeof(largest));
    units[p] = units_of(largest);
    moments[p] = read_moments(shape, units[p], x + p * columns);
  }
  for (size_t p = 0; p < shape.rows; ++p) {
    if (bits[p] < kBitsOfInfinity) {
      write_row(shape, Normalizer(shape, units[p], moments[p]), x + p * columns, y + p * columns);
    } else {
      __builtin_memset(y + p * columns, shape.least, columns);
    }
  }
}

}  // namespace

void normalize_rows_avx512(const RowsToNormalize& shape, const float* x, uint8_t* y) {
  RowsToNormalize some = shape;
  for (size_t p = 0; p < shape.rows; p += some.rows) {
    some.rows = shape.rows - p < kRowsAtOnce ? shape.rows - p : kRowsAtOnce;
    normalize_some(some, x + p * shape.columns, y + p * shape.columns);
  }
}

}  // namespace qc
