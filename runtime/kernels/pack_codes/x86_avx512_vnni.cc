#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/pack_codes/pack_codes.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kBytes = 64;  // of four columns of a vector
constexpr size_t kMaxVectors = 4;

inline __mmask64 first_bytes(size_t count) {
  return count >= kBytes ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
}

// Codes less 128 where they are present, zero elsewhere.
inline __m512i load_signed(__mmask64 present, const uint8_t* codes) {
  return _mm512_maskz_sub_epi8(present, _mm512_maskz_loadu_epi8(present, codes), _mm512_set1_epi8(-128));
}

// Each of four 128-bit pieces of four registers: piece v of all becomes register v.
inline void transpose_pieces(__m512i (&z)[4]) {
  const __m512i a = _mm512_shuffle_i32x4(z[0], z[1], 0x44), b = _mm512_shuffle_i32x4(z[0], z[1], 0xEE);
  const __m512i c = _mm512_shuffle_i32x4(z[2], z[3], 0x44), d = _mm512_shuffle_i32x4(z[2], z[3], 0xEE);
  z[0] = _mm512_shuffle_i32x4(a, c, 0x88);
  z[1] = _mm512_shuffle_i32x4(a, c, 0xDD);
  z[2] = _mm512_shuffle_i32x4(b, d, 0x88);
  z[3] = _mm512_shuffle_i32x4(b, d, 0xDD);
}

// Outputs are neighbours in memory: up to 64 of four columns, whose bytes are interleaved.
void pack_columns(const CodesToPack& source, size_t vectors, int8_t* panel, int32_t* sums) {
  const __mmask64 present = first_bytes(source.outputs);
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i sum[kMaxVectors] = {};
  for (size_t j = 0; j < source.columns; j += 4, panel += vectors * kBytes) {
    __m512i column[4];
    for (size_t b = 0; b < 4; ++b)
      column[b] = j + b < source.columns ? load_signed(present, source.codes + (j + b) * source.column_stride)
                                         : _mm512_setzero_si512();
    const __m512i low[2] = {_mm512_unpacklo_epi8(column[0], column[1]),
                            _mm512_unpacklo_epi8(column[2], column[3])};
    const __m512i high[2] = {_mm512_unpackhi_epi8(column[0], column[1]),
                             _mm512_unpackhi_epi8(column[2], column[3])};
    __m512i dwords[4] = {_mm512_unpacklo_epi16(low[0], low[1]), _mm512_unpackhi_epi16(low[0], low[1]),
                         _mm512_unpacklo_epi16(high[0], high[1]), _mm512_unpackhi_epi16(high[0], high[1])};
    transpose_pieces(dwords);
    for (size_t v = 0; v < kMaxVectors; ++v) {
      sum[v] = _mm512_dpbusd_epi32(sum[v], ones, dwords[v]);
      if (v < vectors) _mm512_store_si512(panel + v * kBytes, dwords[v]);
    }
  }
  for (size_t v = 0; v < vectors; ++v) _mm512_store_si512(sums + v * kLanes, sum[v]);
}

// Row i of 16 dwords becomes element i of each of 16 registers.
inline void transpose_dwords(__m512i (&row)[kLanes]) {
  __m512i pair[kLanes];
  for (size_t i = 0; i < kLanes; i += 2) {
    pair[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
    pair[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
  }
  // four[c][g]: in piece p, dwords 4 p + c of rows 4 g to 4 g + 3.
  __m512i four[4][4];
  for (size_t g = 0; g < 4; ++g) {
    four[0][g] = _mm512_unpacklo_epi64(pair[4 * g], pair[4 * g + 2]);
    four[1][g] = _mm512_unpackhi_epi64(pair[4 * g], pair[4 * g + 2]);
    four[2][g] = _mm512_unpacklo_epi64(pair[4 * g + 1], pair[4 * g + 3]);
    four[3][g] = _mm512_unpackhi_epi64(pair[4 * g + 1], pair[4 * g + 3]);
  }
  for (size_t c = 0; c < 4; ++c) {
    transpose_pieces(four[c]);
    for (size_t p = 0; p < 4; ++p) row[4 * p + c] = four[c][p];
  }
}

// Columns are neighbours in memory: 16 outputs of 64 columns, transposed four columns at a time.
void pack_rows(const CodesToPack& source, size_t v, size_t vectors, int8_t* panel, int32_t* sums) {
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i sum = _mm512_setzero_si512();
  panel += v * kBytes;
  for (size_t j = 0; j < source.columns; j += kBytes) {
    const __mmask64 present = first_bytes(source.columns - j);
    __m512i row[kLanes];
    for (size_t i = 0; i < kLanes; ++i) {
      const size_t output = v * kLanes + i;
      row[i] = output < source.outputs
                   ? load_signed(present, source.codes + output * source.output_stride + j)
                   : _mm512_setzero_si512();
    }
    transpose_dwords(row);
    const size_t left = (source.columns - j + 3) / 4, steps = left < kLanes ? left : kLanes;
    for (size_t q = 0; q < steps; ++q, panel += vectors * kBytes) {
      sum = _mm512_dpbusd_epi32(sum, ones, row[q]);
      _mm512_store_si512(panel, row[q]);
    }
  }
  _mm512_store_si512(sums + v * kLanes, sum);
}

}  // namespace

void pack_codes_avx512_vnni(const CodesToPack& source, int8_t* panel, int32_t* sums) {
  const size_t vectors = (source.outputs + kLanes - 1) / kLanes;
  if (source.output_stride == 1 && source.column_stride != 1)
    return pack_columns(source, vectors, panel, sums);
  for (size_t v = 0; v < vectors; ++v) pack_rows(source, v, vectors, panel, sums);
}

}  // namespace qc
