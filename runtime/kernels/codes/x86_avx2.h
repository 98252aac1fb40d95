// Rows of floats, eight columns at a time, and their codes. For files compiled for AVX2 only.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace qc {
namespace {

constexpr size_t kLanes = 8;

struct CodeLimits {
  CodeLimits(uint8_t least, uint8_t most) : low(_mm256_set1_ps(least)), high(_mm256_set1_ps(most)) {}
  __m256 low, high;
};

// Rounded, ties to even, and cut; the maximum of NaN and a number is its second operand.
inline __m256i codes_of(__m256 v, const CodeLimits& limits) {
  return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(v, limits.low), limits.high));
}

// The first `count` of eight columns.
struct Lanes {
  explicit Lanes(size_t present)
      : count(present),
        mask(_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(present)),
                                _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))) {}

  // Zeros elsewhere.
  __m256 load(const float* x) const { return _mm256_maskload_ps(x, mask); }

  // Lowest bytes.
  void store(uint8_t* y, __m256i codes) const {
    const __m128i shorts = _mm_packs_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
    const __m128i bytes = _mm_packus_epi16(shorts, shorts);
    if (count == kLanes) return _mm_storel_epi64(reinterpret_cast<__m128i*>(y), bytes);
    alignas(16) uint8_t some[16];
    _mm_store_si128(reinterpret_cast<__m128i*>(some), bytes);
    __builtin_memcpy(y, some, count);
  }

  size_t count;
  __m256i mask;
};

// Calls run(j, lanes) for every eight columns.
template <typename Run>
inline void for_lanes(size_t columns, const Run& run) {
  const Lanes all(kLanes);
  size_t j = 0;
  for (; j + kLanes <= columns; j += kLanes) run(j, all);
  if (j < columns) run(j, Lanes(columns - j));
}

inline int64_t sum_of_quadwords(__m256i quadwords) {
  int64_t parts[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(parts), quadwords);
  return parts[0] + parts[1] + parts[2] + parts[3];
}

}  // namespace
}  // namespace qc
