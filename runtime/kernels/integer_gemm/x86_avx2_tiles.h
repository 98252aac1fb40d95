// integer_gemm with registers of 256 bits: an ISA file includes it with its way to multiply, Dots, and is
// compiled with its flags. Everything is static.
//
//   Dots::kRows            rows of a tile: twice as many sums, the weights and x fit 16 registers
//   Dots::add_run<rows>(x, source, panel, panel_step, low, high)
//                          adds a run's products to the sums of `rows` rows, exactly; gives where the panel
//                          goes on. StepByStep has it for ways that finish each four columns by themselves:
//   Dots::Weights, Dots::X 8 outputs x 4 columns, and 4 columns of a row for all lanes
//   Dots::add(sum, x, w)   adds the dot product of four columns to each of 8 sums, exactly
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/integer_gemm/integer_gemm.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16;      // outputs: two registers of sums
constexpr size_t kHalf = 8;        // of one
constexpr size_t kHalfBytes = 32;  // of its weights
constexpr size_t kStepBytes = 4;   // of x

// One row's 16 sums become results; `present` of them.
struct Finish {
  const IntegerResults& results;
  size_t first;  // output
  size_t present;

  __m256 value(size_t position, size_t half, __m256i sum, const uint8_t* residual) const {
    const size_t output = first + half * kHalf;
    __m256 scale = _mm256_loadu_ps(results.scale + output);
    if (results.rows != nullptr) {  // start is in the sum once
      const CodedRow& row = results.rows[position];
      const auto* const start = reinterpret_cast<const __m256i*>(results.start + output);
      sum = _mm256_add_epi32(
          sum, _mm256_mullo_epi32(_mm256_set1_epi32(row.zero_point - 1), _mm256_loadu_si256(start)));
      scale = _mm256_mul_ps(_mm256_set1_ps(row.step), scale);
    }
    const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale);
    const __m256 biased = _mm256_add_ps(scaled, _mm256_loadu_ps(results.bias + output));
    if (results.residual == nullptr) return biased;
    const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(residual + half * kHalf));
    const __m256 floats = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(codes));
    return _mm256_add_ps(biased, _mm256_mul_ps(floats, _mm256_set1_ps(results.residual_scale)));
  }

  // The minimum returns its second operand if that is NaN; NaN and what is far below zero become the least
  // integer, which packing cuts to zero.
  __m256i round(__m256 value) const {
    return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_set1_ps(results.y_max), value));
  }

  void store(size_t position, __m256i low, __m256i high) const {
    const size_t at = position * results.y_stride + first;
    uint8_t residual[kLanes] = {};
    if (results.residual != nullptr) __builtin_memcpy(residual, results.residual + at, present);
    const __m256 values[2] = {value(position, 0, low, residual), value(position, 1, high, residual)};
    if (results.is_float) {
      float floats[kLanes];
      _mm256_storeu_ps(floats, values[0]);
      _mm256_storeu_ps(floats + kHalf, values[1]);
      __builtin_memcpy(static_cast<float*>(results.y) + at, floats, present * sizeof(float));
      return;
    }
    const __m256i shorts =
        _mm256_permute4x64_epi64(_mm256_packs_epi32(round(values[0]), round(values[1])), 0xD8);
    const __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(shorts), _mm256_extracti128_si256(shorts, 1));
    uint8_t codes[kLanes];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes),
                     _mm_max_epu8(bytes, _mm_set1_epi8(static_cast<char>(results.y_min))));
    uint8_t* const to = static_cast<uint8_t*>(results.y) + at;
    if (present == kLanes) {
      __builtin_memcpy(to, codes, kLanes);
    } else {
      __builtin_memcpy(to, codes, present);
    }
  }
};

template <typename Dots>
struct StepByStep {
  template <size_t rows>
  static inline const int8_t* add_run(const uint8_t* x, const IntegerRows& source, const int8_t* panel,
                                      size_t panel_step, __m256i* low, __m256i* high) {
    for (size_t done = 0; done < source.run_bytes; done += kStepBytes, x += kStepBytes, panel += panel_step) {
      const typename Dots::Weights left(panel), right(panel + kHalfBytes);
#pragma GCC unroll 8
      for (size_t r = 0; r < rows; ++r) {
        const typename Dots::X four(x + r * source.position_stride);
        low[r] = Dots::add(low[r], four, left);
        high[r] = Dots::add(high[r], four, right);
      }
    }
    return panel;
  }
};

// 16 outputs of `rows` positions from `first` on. `panel` is at the vector's weights.
template <typename Dots, size_t rows>
inline void multiply_tile(const int8_t* panel, size_t vectors, const IntegerRows& source, size_t first,
                          const Finish& finish) {
  __m256i low[rows], high[rows];
  const auto* const start = reinterpret_cast<const __m256i*>(finish.results.start + finish.first);
  for (size_t r = 0; r < rows; ++r)
    low[r] = _mm256_loadu_si256(start), high[r] = _mm256_loadu_si256(start + 1);
  if (source.position_start != nullptr) {
    for (size_t r = 0; r < rows; ++r) {
      const __m256i own = _mm256_set1_epi32(source.position_start[first + r]);
      low[r] = _mm256_add_epi32(low[r], own), high[r] = _mm256_add_epi32(high[r], own);
    }
  }
  for (size_t u = 0; u < source.runs; ++u) {
    const uint8_t* const x = source.x + first * source.position_stride + source.offsets[u];
    panel = Dots::template add_run<rows>(x, source, panel, vectors * 2 * kHalfBytes, low, high);
  }
  for (size_t r = 0; r < rows; ++r) finish.store(first + r, low[r], high[r]);
}

template <typename Dots, size_t most = Dots::kRows>
inline void multiply_rows(const int8_t* panel, size_t vectors, const IntegerRows& rows, size_t first,
                          size_t count, const Finish& finish) {
  if (count == most) return multiply_tile<Dots, most>(panel, vectors, rows, first, finish);
  if constexpr (most > 1) multiply_rows<Dots, most - 1>(panel, vectors, rows, first, count, finish);
}

// Tiles of about the same number of rows: weights are read once for each.
template <typename Dots>
inline void multiply_panel(const int8_t* panel, size_t vectors, const IntegerRows& rows,
                           const IntegerResults& results) {
  const size_t tiles = (rows.positions + Dots::kRows - 1) / Dots::kRows;
  for (size_t v = 0; v < vectors; ++v, panel += 2 * kHalfBytes) {
    const size_t left = results.outputs - v * kLanes;
    const Finish finish = {results, v * kLanes, left < kLanes ? left : kLanes};
    for (size_t tile = 0, first = 0; tile < tiles; ++tile) {
      const size_t count = (rows.positions - first) / (tiles - tile);
      multiply_rows<Dots>(panel, vectors, rows, first, count, finish);
      first += count;
    }
  }
}

}  // namespace
}  // namespace qc
