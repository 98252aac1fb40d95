#include "kernels/codes/x86_avx512.h"

#include "kernels/quantize_rows/scalar.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16;
constexpr uint32_t kNotFinite = 0x7f800000;  // the bits of infinity; those of NaN are larger

// The least, the largest and the largest size of what was seen, lane by lane; 0 was.
struct Range {
  __m512 low = _mm512_setzero_ps(), high = _mm512_setzero_ps();
  __m512i size = _mm512_setzero_si512();

  // The minimum and the maximum return their second operand if one is NaN.
  void add(__m512 x) {
    low = _mm512_min_ps(x, low);
    high = _mm512_max_ps(x, high);
    size = _mm512_max_epu32(size, _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)));
  }

  CodedRow finish(uint8_t most) const {
    const bool is_finite = _mm512_reduce_max_epu32(size) < kNotFinite;
    return coded_row(_mm512_reduce_min_ps(low), _mm512_reduce_max_ps(high), is_finite, most);
  }
};

CodedRow read_row(const RowsToQuantize& shape, const float* x) {
  Range ranges[2];  // chains of their own
  size_t j = 0;
  for (; j + 2 * kLanes <= shape.columns; j += 2 * kLanes) {
    ranges[0].add(_mm512_loadu_ps(x + j));
    ranges[1].add(_mm512_loadu_ps(x + j + kLanes));
  }
  for (; j < shape.columns; j += kLanes) {
    const size_t left = shape.columns - j;
    ranges[0].add(_mm512_maskz_loadu_ps(first_16(left < kLanes ? left : kLanes), x + j));
  }
  ranges[0].add(ranges[1].low);
  ranges[0].add(ranges[1].high);
  ranges[0].size = _mm512_max_epu32(ranges[0].size, ranges[1].size);
  return ranges[0].finish(shape.most);
}

struct Quantizer {
  __m512 step;
  __m512i zero_point;

  // Numbers of at most a few hundred, not cut.
  __m512i numbers(__m512 x) const {
    return _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_div_ps(x, step)), zero_point);
  }
};

// Packing cuts at 0.
void write_row(const RowsToQuantize& shape, const CodedRow& row, const float* x, uint8_t* y) {
  const Quantizer quantizer = {_mm512_set1_ps(row.step), _mm512_set1_epi32(row.zero_point)};
  const __m512i most = _mm512_set1_epi8(static_cast<char>(shape.most));
  size_t j = 0;
  for (; j + 4 * kLanes <= shape.columns; j += 4 * kLanes) {
    __m512i numbers[4];
    for (size_t i = 0; i < 4; ++i) numbers[i] = quantizer.numbers(_mm512_loadu_ps(x + j + i * kLanes));
    _mm512_storeu_si512(y + j, _mm512_min_epu8(pack_bytes(numbers), most));
  }
  for (; j < shape.columns; j += kLanes) {
    const size_t left = shape.columns - j;
    const __mmask16 present = first_16(left < kLanes ? left : kLanes);
    const __m512i numbers = quantizer.numbers(_mm512_maskz_loadu_ps(present, x + j));
    const __m512i positive = _mm512_maskz_max_epi32(present, numbers, _mm512_setzero_si512());
    const __m128i codes = _mm512_cvtusepi32_epi8(positive);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + j), _mm_min_epu8(codes, _mm512_castsi512_si128(most)));
  }
}

}  // namespace

void quantize_rows_avx512(const RowsToQuantize& shape, const float* x, uint8_t* y, CodedRow* coded) {
  const size_t bytes = bytes_of_codes(shape.columns);
  for (size_t p = 0; p < shape.rows; ++p, x += shape.columns, y += bytes) {
    coded[p] = read_row(shape, x);
    if (has_codes(coded[p])) {
      write_row(shape, coded[p], x, y);
    } else {
      __builtin_memset(y, 0, bytes);
    }
  }
}

}  // namespace qc
