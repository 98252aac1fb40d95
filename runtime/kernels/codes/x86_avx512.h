// Floats become codes, and codes floats. For files compiled for AVX-512 only.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace qc {
namespace {

struct CodeLimits {
  CodeLimits(uint8_t least, uint8_t most) : low(_mm512_set1_ps(least)), high(_mm512_set1_ps(most)) {}
  __m512 low, high;
};

// Rounded, ties to even, and cut; the maximum of NaN and a number is its second operand.
inline __m512i codes_of(__m512 v, const CodeLimits& limits) {
  return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(v, limits.low), limits.high));
}

// The lowest bytes of 64 dwords.
inline __m512i pack_bytes(const __m512i (&dwords)[4]) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i low = _mm512_packs_epi32(dwords[0], dwords[1]),
                high = _mm512_packs_epi32(dwords[2], dwords[3]);
  return _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high));
}

inline __m512 floats_of(__m128i codes) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes)); }

// The first `count` lanes, of at most 16 or 64.
inline __mmask16 first_16(size_t count) { return static_cast<__mmask16>((1u << count) - 1); }
inline __mmask64 first_64(size_t count) { return count >= 64 ? ~0ull : (1ull << count) - 1; }

// Calls run(j, lanes) for every 16 columns, the last of them masked.
template <typename Run>
inline void for_each_16(size_t columns, const Run& run) {
  size_t j = 0;
  for (; j + 16 <= columns; j += 16) run(j, static_cast<__mmask16>(0xffff));
  if (j < columns) run(j, first_16(columns - j));
}

inline __m128i load_codes(const uint8_t* x) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(x)); }

}  // namespace
}  // namespace qc
