// From sums in registers to results: the epilogue of the avx512_vnni kernels. Everything is static.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/integer_gemm/integer_gemm.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16;

// An index that is a constant: sums that a loop goes through would not stay in registers.
template <size_t index>
struct Constant {
  static constexpr size_t value = index;
};
#define QC_UNROLLED __attribute__((always_inline))
template <size_t first, size_t end, typename Body>
QC_UNROLLED inline void unroll(const Body& body) {
  if constexpr (first < end) {
    body(Constant<first>());
    unroll<first + 1, end>(body);
  }
}

template <size_t rows, size_t vectors>
using Sums = __m512i[rows][vectors];

// What a tile's results share.
struct Target {
  const IntegerResults& results;
  size_t first;       // position
  __mmask16 present;  // the lanes of the last vector

  size_t at(size_t r, size_t v) const { return (first + r) * results.y_stride + v * kLanes; }
  template <size_t vectors>
  __mmask16 lanes(size_t v) const {
    return v + 1 < vectors ? static_cast<__mmask16>(0xffff) : present;
  }
};

inline __m512 finish(const Target& target, size_t v, __m512i sum) {
  const IntegerResults& results = target.results;
  const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(results.scale + v * kLanes));
  return _mm512_add_ps(scaled, _mm512_loadu_ps(results.bias + v * kLanes));
}

template <size_t vectors>
inline __m512 add_residual(const Target& target, size_t r, size_t v, __m512 value) {
  const IntegerResults& results = target.results;
  const __m128i codes = _mm_maskz_loadu_epi8(target.lanes<vectors>(v), results.residual + target.at(r, v));
  const __m512 floats = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes));
  return _mm512_add_ps(value, _mm512_mul_ps(floats, _mm512_set1_ps(results.residual_scale)));
}

// Rounded, cut at y_max, not yet at y_min. The minimum returns its second operand if that is NaN; NaN and
// what is far below zero become the least integer, which packing cuts to zero.
inline __m512i round_below(__m512 value, float y_max) {
  return _mm512_cvt_roundps_epi32(_mm512_min_ps(_mm512_set1_ps(y_max), value),
                                  _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// The low bytes of 4 x 16 integers, cut to 0 and 255, one after the other.
inline __m512i pack(const __m512i (&wide)[4]) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i pairs = _mm512_packs_epi32(wide[0], wide[1]), others = _mm512_packs_epi32(wide[2], wide[3]);
  return _mm512_permutexvar_epi32(order, _mm512_packus_epi16(pairs, others));
}

// Codes of 16 outputs go to row r, vector v.
template <size_t vectors>
inline void store_piece(const Target& target, size_t r, size_t v, __m128i codes) {
  uint8_t* const to = static_cast<uint8_t*>(target.results.y) + target.at(r, v);
  if (v + 1 < vectors || target.present == 0xffff)
    return _mm_storeu_si128(reinterpret_cast<__m128i*>(to), codes);
  _mm_mask_storeu_epi8(to, target.present, codes);
}

// Sums first to first + 4 of all, counted through rows and vectors; beyond the last the last is repeated.
template <size_t rows, size_t vectors, bool has_residual, size_t first>
QC_UNROLLED inline void store_four(const Target& target, const Sums<rows, vectors>& sum) {
  __m512i wide[4];
  unroll<0, 4>([&](auto i) QC_UNROLLED {
    constexpr size_t at = first + i.value < rows * vectors ? first + i.value : rows * vectors - 1;
    constexpr size_t r = at / vectors, v = at % vectors;
    __m512 value = finish(target, v, sum[r][v]);
    if constexpr (has_residual) value = add_residual<vectors>(target, r, v, value);
    wide[i.value] = round_below(value, target.results.y_max);
  });
  const __m512i least = _mm512_set1_epi8(static_cast<char>(target.results.y_min));
  const __m512i codes = _mm512_max_epu8(pack(wide), least);
  if (vectors == 4 && target.present == 0xffff)
    return _mm512_storeu_si512(static_cast<uint8_t*>(target.results.y) + target.at(first / 4, 0), codes);
  store_piece<vectors>(target, first / vectors, first % vectors, _mm512_castsi512_si128(codes));
  if constexpr (first + 1 < rows * vectors)
    store_piece<vectors>(target, (first + 1) / vectors, (first + 1) % vectors,
                         _mm512_extracti32x4_epi32(codes, 1));
  if constexpr (first + 2 < rows * vectors)
    store_piece<vectors>(target, (first + 2) / vectors, (first + 2) % vectors,
                         _mm512_extracti32x4_epi32(codes, 2));
  if constexpr (first + 3 < rows * vectors)
    store_piece<vectors>(target, (first + 3) / vectors, (first + 3) % vectors,
                         _mm512_extracti32x4_epi32(codes, 3));
}

template <size_t rows, size_t vectors, bool has_residual, size_t first = 0>
QC_UNROLLED inline void store_codes(const Target& target, const Sums<rows, vectors>& sum) {
  store_four<rows, vectors, has_residual, first>(target, sum);
  if constexpr (first + 4 < rows * vectors) store_codes<rows, vectors, has_residual, first + 4>(target, sum);
}

template <size_t rows, size_t vectors>
QC_UNROLLED inline void store_floats(const Target& target, const Sums<rows, vectors>& sum) {
  auto* const y = static_cast<float*>(target.results.y);
  unroll<0, rows * vectors>([&](auto i) QC_UNROLLED {
    constexpr size_t r = i.value / vectors, v = i.value % vectors;
    __m512 value = finish(target, v, sum[r][v]);
    if (target.results.residual != nullptr) value = add_residual<vectors>(target, r, v, value);
    _mm512_mask_storeu_ps(y + target.at(r, v), target.lanes<vectors>(v), value);
  });
}

}  // namespace
}  // namespace qc
