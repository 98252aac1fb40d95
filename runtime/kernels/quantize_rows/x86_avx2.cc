#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/quantize_rows/scalar.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16;  // columns: two registers
constexpr size_t kHalf = 8;
constexpr uint32_t kNotFinite = 0x7f800000;  // the bits of infinity; those of NaN are larger

// The least, the largest and the largest size of what was seen, lane by lane; 0 was.
struct Range {
  __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
  __m256i size = _mm256_setzero_si256();

  // The minimum and the maximum return their second operand if one is NaN.
  void add(__m256 x) {
    low = _mm256_min_ps(x, low);
    high = _mm256_max_ps(x, high);
    size = _mm256_max_epu32(size, _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff)));
  }

  CodedRow finish(uint8_t most) const {
    float lows[kHalf], highs[kHalf], least = 0, largest = 0;
    uint32_t sizes[kHalf];
    _mm256_storeu_ps(lows, low);
    _mm256_storeu_ps(highs, high);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sizes), size);
    bool is_finite = true;
    for (size_t i = 0; i < kHalf; ++i) {
      least = lows[i] < least ? lows[i] : least;
      largest = highs[i] > largest ? highs[i] : largest;
      is_finite = is_finite && sizes[i] < kNotFinite;
    }
    return coded_row(least, largest, is_finite, most);
  }
};

struct Quantizer {
  __m256 step;
  __m256i zero_point;
  __m128i most;

  // Numbers of at most a few hundred: packing cuts them at 0.
  __m128i codes(const float* x) const {
    const __m256i low = _mm256_cvtps_epi32(_mm256_div_ps(_mm256_loadu_ps(x), step));
    const __m256i high = _mm256_cvtps_epi32(_mm256_div_ps(_mm256_loadu_ps(x + kHalf), step));
    const __m256i shorts = _mm256_permute4x64_epi64(
        _mm256_packs_epi32(_mm256_add_epi32(low, zero_point), _mm256_add_epi32(high, zero_point)), 0xD8);
    const __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(shorts), _mm256_extracti128_si256(shorts, 1));
    return _mm_min_epu8(bytes, most);
  }
};

CodedRow read_row(const RowsToQuantize& shape, const float* x) {
  Range range;
  size_t j = 0;
  for (; j + kHalf <= shape.columns; j += kHalf) range.add(_mm256_loadu_ps(x + j));
  float rest[kHalf] = {};
  __builtin_memcpy(rest, x + j, (shape.columns - j) * sizeof(float));
  range.add(_mm256_loadu_ps(rest));
  return range.finish(shape.most);
}

void write_row(const RowsToQuantize& shape, const CodedRow& row, const float* x, uint8_t* y) {
  const Quantizer quantizer = {_mm256_set1_ps(row.step), _mm256_set1_epi32(row.zero_point),
                               _mm_set1_epi8(static_cast<char>(shape.most))};
  size_t j = 0;
  for (; j + kLanes <= shape.columns; j += kLanes)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + j), quantizer.codes(x + j));
  if (j == shape.columns) return;
  float rest[kLanes] = {};
  uint8_t codes[kLanes];
  __builtin_memcpy(rest, x + j, (shape.columns - j) * sizeof(float));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), quantizer.codes(rest));
  __builtin_memset(y + j, 0, kLanes);
  __builtin_memcpy(y + j, codes, shape.columns - j);
}

}  // namespace

void quantize_rows_avx2(const RowsToQuantize& shape, const float* x, uint8_t* y, CodedRow* coded) {
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
