// From sums in registers to results: the epilogue of the avx512_vnni kernels. Everything is static.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/integer_gemm/integer_gemm.h"
#include "kernels/integer_gemm/x86_avx512_vnni_dots.h"

namespace qc {
namespace {

// What the results of a tile share, in registers. `y` and `residual` are at its first row.
struct Epilogue {
  const float *scale, *bias;
  uint8_t* y;
  const uint8_t* residual;
  size_t stride;
  __m512 residual_scale;
  __m512i least, most;
  __mmask16 present;  // lanes of the last vector
  bool is_whole;      // it has all of them
  bool is_dense;      // and rows of y follow each other
};

template <size_t vectors>
inline Epilogue epilogue_at(const IntegerResults& results, size_t position) {
  const size_t at = position * results.y_stride, in_last = results.outputs - (vectors - 1) * kLanes;
  return {results.scale,
          results.bias,
          static_cast<uint8_t*>(results.y) + at,
          results.residual == nullptr ? nullptr : results.residual + at,
          results.y_stride,
          _mm512_set1_ps(results.residual_scale),
          _mm512_set1_epi8(static_cast<char>(results.y_min)),
          _mm512_set1_epi8(static_cast<char>(results.y_max)),
          static_cast<__mmask16>((1u << in_last) - 1),
          in_last == kLanes,
          results.y_stride == vectors * kLanes && results.outputs == vectors * kLanes};
}

inline __m512 scale_sum(const float* scale, const float* bias, __m512i sum) {
  const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(scale));
  return _mm512_add_ps(scaled, _mm512_loadu_ps(bias));
}

// Values of a row that has a step and a zero point of its own; `start` is in the sum once.
inline __m512 scale_sum_of(const CodedRow& row, const int32_t* start, const float* scale, const float* bias,
                           __m512i sum) {
  const __m512i more = _mm512_mullo_epi32(_mm512_set1_epi32(row.zero_point - 1), _mm512_loadu_si512(start));
  const __m512 both = _mm512_mul_ps(_mm512_set1_ps(row.step), _mm512_loadu_ps(scale));
  const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(sum, more)), both);
  return _mm512_add_ps(scaled, _mm512_loadu_ps(bias));
}

inline __m512 add_residual(__m512 value, __mmask16 present, const uint8_t* residual, __m512 scale) {
  const __m128i codes = _mm_maskz_loadu_epi8(present, residual);
  const __m512 floats = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes));
  return _mm512_add_ps(value, _mm512_mul_ps(floats, scale));
}

// NaN and what does not fit become the least integer.
inline __m512i round_half_to_even(__m512 value) {
  return _mm512_cvt_roundps_epi32(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// The low bytes of 4 x 16 integers, cut to 0 and 255, one after the other.
inline __m512i pack(const __m512i (&wide)[4]) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i pairs = _mm512_packs_epi32(wide[0], wide[1]), others = _mm512_packs_epi32(wide[2], wide[3]);
  return _mm512_permutexvar_epi32(order, _mm512_packus_epi16(pairs, others));
}

// Codes of 16 outputs go to row r, vector v.
template <size_t vectors, size_t r, size_t v>
QC_UNROLLED inline void store_piece(const Epilogue& epilogue, __m128i codes) {
  uint8_t* const to = epilogue.y + r * epilogue.stride + v * kLanes;
  if (v + 1 < vectors || epilogue.is_whole) return _mm_storeu_si128(reinterpret_cast<__m128i*>(to), codes);
  _mm_mask_storeu_epi8(to, epilogue.present, codes);
}

// Sums first to first + 4 of all, counted through rows and vectors; beyond the last the last is repeated.
// Values are below 2^31, so rounding needs no cut before it.
template <size_t rows, size_t vectors, bool has_residual, size_t first>
QC_UNROLLED inline void store_four(const Epilogue& epilogue, const Sums<rows, vectors>& sum) {
  constexpr size_t kAll = rows * vectors;
  __m512i wide[4];
  unroll<0, 4>([&](auto i) QC_UNROLLED {
    constexpr size_t at = first + i.value < kAll ? first + i.value : kAll - 1;
    constexpr size_t r = at / vectors, v = at % vectors;
    __m512 value = scale_sum(epilogue.scale + v * kLanes, epilogue.bias + v * kLanes, sum[r][v]);
    if constexpr (has_residual)
      value = add_residual(value, v + 1 < vectors ? static_cast<__mmask16>(0xffff) : epilogue.present,
                           epilogue.residual + r * epilogue.stride + v * kLanes, epilogue.residual_scale);
    wide[i.value] = round_half_to_even(value);
  });
  const __m512i codes = _mm512_max_epu8(_mm512_min_epu8(pack(wide), epilogue.most), epilogue.least);
  if (first + 4 <= kAll && epilogue.is_dense) return _mm512_storeu_si512(epilogue.y + first * kLanes, codes);
  if (vectors == 4 && epilogue.is_whole)
    return _mm512_storeu_si512(epilogue.y + first / 4 * epilogue.stride, codes);
  store_piece<vectors, first / vectors, first % vectors>(epilogue, _mm512_castsi512_si128(codes));
  if constexpr (first + 1 < kAll)
    store_piece<vectors, (first + 1) / vectors, (first + 1) % vectors>(epilogue,
                                                                       _mm512_extracti32x4_epi32(codes, 1));
  if constexpr (first + 2 < kAll)
    store_piece<vectors, (first + 2) / vectors, (first + 2) % vectors>(epilogue,
                                                                       _mm512_extracti32x4_epi32(codes, 2));
  if constexpr (first + 3 < kAll)
    store_piece<vectors, (first + 3) / vectors, (first + 3) % vectors>(epilogue,
                                                                       _mm512_extracti32x4_epi32(codes, 3));
}

template <size_t rows, size_t vectors, bool has_residual, size_t first = 0>
QC_UNROLLED inline void store_codes(const Epilogue& epilogue, const Sums<rows, vectors>& sum) {
  store_four<rows, vectors, has_residual, first>(epilogue, sum);
  if constexpr (first + 4 < rows * vectors)
    store_codes<rows, vectors, has_residual, first + 4>(epilogue, sum);
}

template <size_t rows, size_t vectors, bool has_residual>
inline void store_floats(const IntegerResults& results, size_t position, const Sums<rows, vectors>& sum) {
  float* const y = static_cast<float*>(results.y) + position * results.y_stride;
  const auto present = static_cast<__mmask16>((1u << (results.outputs - (vectors - 1) * kLanes)) - 1);
  unroll<0, rows * vectors>([&](auto i) QC_UNROLLED {
    constexpr size_t r = i.value / vectors, v = i.value % vectors;
    const size_t at = r * results.y_stride + v * kLanes;
    __m512 value = scale_sum(results.scale + v * kLanes, results.bias + v * kLanes, sum[r][v]);
    if constexpr (has_residual)
      value = add_residual(value, v + 1 < vectors ? static_cast<__mmask16>(0xffff) : present,
                           results.residual + position * results.y_stride + at,
                           _mm512_set1_ps(results.residual_scale));
    float* const to = y + at;
    if (v + 1 < vectors || present == 0xffff) return _mm512_storeu_ps(to, value);
    _mm512_mask_storeu_ps(to, present, value);
  });
}

// Any results, one vector of sums at a time. The minimum returns its second operand if that is NaN.
static void store_any(const IntegerResults& results, size_t position, size_t rows, size_t vectors,
                      const int32_t* sums) {
  for (size_t i = 0; i < rows * vectors; ++i) {
    const size_t first = i % vectors * kLanes, left = results.outputs - first;
    const size_t at = (position + i / vectors) * results.y_stride + first;
    const auto present = static_cast<__mmask16>(left < kLanes ? (1u << left) - 1 : 0xffffu);
    const __m512i sum = _mm512_loadu_si512(sums + i * kLanes);
    const float *const scale = results.scale + first, *const bias = results.bias + first;
    __m512 value = results.rows == nullptr ? scale_sum(scale, bias, sum)
                                           : scale_sum_of(results.rows[position + i / vectors],
                                                          results.start + first, scale, bias, sum);
    if (results.residual != nullptr)
      value = add_residual(value, present, results.residual + at, _mm512_set1_ps(results.residual_scale));
    if (results.is_float) {
      _mm512_mask_storeu_ps(static_cast<float*>(results.y) + at, present, value);
      continue;
    }
    const __m512i rounded =
        round_half_to_even(_mm512_min_ps(_mm512_set1_ps(static_cast<float>(results.y_max)), value));
    const __m512i cut = _mm512_max_epi32(rounded, _mm512_set1_epi32(results.y_min));
    _mm_mask_storeu_epi8(static_cast<uint8_t*>(results.y) + at, present, _mm512_cvtepi32_epi8(cut));
  }
}

}  // namespace
}  // namespace qc
