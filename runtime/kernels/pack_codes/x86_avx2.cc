// Four columns of 16 outputs at a time: registers of 128 bits are what byte and dword transposes work in.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/pack_codes/pack_codes.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kBytes = 64;  // of four columns of a vector

inline __m128i as_signed(__m128i codes) { return _mm_xor_si128(codes, _mm_set1_epi8(-128)); }

// The sums of the four bytes of each dword.
inline __m128i sum_bytes(__m128i bytes) {
  const __m128i pairs = _mm_maddubs_epi16(_mm_set1_epi8(1), bytes);
  return _mm_madd_epi16(pairs, _mm_set1_epi16(1));
}

// Four outputs of a step: to the panel, and to the sums.
inline void give(__m128i dwords, int8_t* panel, int32_t* sums) {
  auto* const total = reinterpret_cast<__m128i*>(sums);
  _mm_store_si128(reinterpret_cast<__m128i*>(panel), dwords);
  _mm_store_si128(total, _mm_add_epi32(_mm_load_si128(total), sum_bytes(dwords)));
}

// 16 outputs, neighbours in memory, of four columns.
inline void pack_columns(const uint8_t* codes, size_t stride, int8_t* panel, int32_t* sums) {
  __m128i column[4];
  for (size_t b = 0; b < 4; ++b)
    column[b] = as_signed(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + b * stride)));
  const __m128i low[2] = {_mm_unpacklo_epi8(column[0], column[1]), _mm_unpacklo_epi8(column[2], column[3])};
  const __m128i high[2] = {_mm_unpackhi_epi8(column[0], column[1]), _mm_unpackhi_epi8(column[2], column[3])};
  give(_mm_unpacklo_epi16(low[0], low[1]), panel, sums);
  give(_mm_unpackhi_epi16(low[0], low[1]), panel + 16, sums + 4);
  give(_mm_unpacklo_epi16(high[0], high[1]), panel + 32, sums + 8);
  give(_mm_unpackhi_epi16(high[0], high[1]), panel + 48, sums + 12);
}

// Four outputs, each 16 columns that are neighbours in memory: four steps, `pitch` bytes apart.
inline void pack_rows(const uint8_t* codes, size_t stride, size_t pitch, int8_t* panel, int32_t* sums) {
  __m128i row[4];
  for (size_t i = 0; i < 4; ++i)
    row[i] = as_signed(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i * stride)));
  const __m128i low[2] = {_mm_unpacklo_epi32(row[0], row[1]), _mm_unpacklo_epi32(row[2], row[3])};
  const __m128i high[2] = {_mm_unpackhi_epi32(row[0], row[1]), _mm_unpackhi_epi32(row[2], row[3])};
  give(_mm_unpacklo_epi64(low[0], low[1]), panel, sums);
  give(_mm_unpackhi_epi64(low[0], low[1]), panel + pitch, sums);
  give(_mm_unpacklo_epi64(high[0], high[1]), panel + 2 * pitch, sums);
  give(_mm_unpackhi_epi64(high[0], high[1]), panel + 3 * pitch, sums);
}

// What whole registers do not cover: columns [first, end) of outputs [begin, begin + count) of a vector.
inline void pack_one_by_one(const CodesToPack& source, size_t begin, size_t count, size_t first, size_t end,
                            size_t pitch, int8_t* panel, int32_t* sums) {
  for (size_t i = begin; i < begin + count; ++i) {
    for (size_t j = first; j < end; ++j) {
      const bool present = i < source.outputs && j < source.columns;
      const int code = present ? source.codes[i * source.output_stride + j * source.column_stride] - 128 : 0;
      panel[j / 4 * pitch + i / kLanes * kBytes + i % kLanes * 4 + j % 4] = static_cast<int8_t>(code);
      sums[i] += code;
    }
  }
}

}  // namespace

void pack_codes_avx2(const CodesToPack& source, int8_t* panel, int32_t* sums) {
  const size_t vectors = (source.outputs + kLanes - 1) / kLanes, pitch = vectors * kBytes;
  const size_t columns = (source.columns + 3) / 4 * 4;
  const bool by_rows = source.column_stride == 1;
  const size_t at_once = by_rows ? 4 : kLanes, steps = by_rows ? 4 : 1;
  for (size_t i = 0; i < vectors * kLanes; ++i) sums[i] = 0;
  for (size_t i = 0; i < vectors * kLanes; i += at_once) {
    const uint8_t* const codes = source.codes + i * source.output_stride;
    int8_t* const to = panel + i / kLanes * kBytes + i % kLanes * 4;
    size_t j = 0;
    if (i + at_once <= source.outputs) {
      for (; j + 4 * steps <= source.columns; j += 4 * steps) {
        if (by_rows) {
          pack_rows(codes + j, source.output_stride, pitch, to + j / 4 * pitch, sums + i);
        } else {
          pack_columns(codes + j * source.column_stride, source.column_stride, to + j / 4 * pitch, sums + i);
        }
      }
    }
    pack_one_by_one(source, i, at_once, j, columns, pitch, panel, sums);
  }
}

}  // namespace qc
