// How channels lie in the registers of integer_depthwise, and how its sums become results. For files compiled
// for AVX2 only.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/integer_depthwise/integer_depthwise.h"

namespace qc {
namespace {

inline __m256i load_32(const uint8_t* x) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)); }
inline __m256i dwords_of(const uint8_t* x) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x)));
}

struct Registers256 {
  using Integers = __m256i;
  static __m256i all_bytes(uint8_t byte) { return _mm256_set1_epi8(static_cast<char>(byte)); }
  static __m256i negative(__m256i v) { return _mm256_sub_epi32(_mm256_setzero_si256(), v); }
  static __m256i shifted(__m256i v, unsigned bits) { return _mm256_slli_epi32(v, static_cast<int>(bits)); }
};

// 32 channels in four vectors of dwords as unpacking leaves them: vector q holds 4 q to 4 q + 3 of each
// sixteen.
struct Wide : Registers256 {
  static constexpr size_t kVectors = 4;
  static constexpr size_t kRun = 2;  // outputs at once

  // The bytes at `rows` places, at most four, that belong to one channel, in one dword.
  template <size_t rows>
  static void interleave(const uint8_t* const (&x)[4], __m256i (&dwords)[4]) {
    __m256i bytes[4] = {};
    for (size_t i = 0; i < rows; ++i) bytes[i] = load_32(x[i]);
    const __m256i low01 = _mm256_unpacklo_epi8(bytes[0], bytes[1]),
                  high01 = _mm256_unpackhi_epi8(bytes[0], bytes[1]),
                  low23 = _mm256_unpacklo_epi8(bytes[2], bytes[3]),
                  high23 = _mm256_unpackhi_epi8(bytes[2], bytes[3]);
    dwords[0] = _mm256_unpacklo_epi16(low01, low23), dwords[1] = _mm256_unpackhi_epi16(low01, low23);
    dwords[2] = _mm256_unpacklo_epi16(high01, high23), dwords[3] = _mm256_unpackhi_epi16(high01, high23);
  }
  static void load(const float* x, __m256 (&v)[4]) {
    for (size_t i = 0; i < 4; ++i) v[i] = _mm256_loadu_ps(x + 8 * i);
    swap_halves(v, 0, 2, 1, 3);
  }
  static void store(__m256 (&v)[4], float* y) {
    swap_halves(v, 0, 1, 2, 3);
    const size_t places[4] = {0, 2, 1, 3};
    for (size_t i = 0; i < 4; ++i) _mm256_storeu_ps(y + 8 * places[i], v[i]);
  }
  // Packing undoes the order of unpacking. Dwords are codes.
  static void store(const __m256i (&codes)[4], uint8_t* y) {
    const __m256i low = _mm256_packs_epi32(codes[0], codes[1]), high = _mm256_packs_epi32(codes[2], codes[3]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), _mm256_packus_epi16(low, high));
  }

 private:
  // The lower halves of a and b, then their upper halves; and the same of c and d.
  static void swap_halves(__m256 (&v)[4], size_t a, size_t b, size_t c, size_t d) {
    const __m256 low_ab = _mm256_permute2f128_ps(v[a], v[b], 0x20),
                 high_ab = _mm256_permute2f128_ps(v[a], v[b], 0x31),
                 low_cd = _mm256_permute2f128_ps(v[c], v[d], 0x20),
                 high_cd = _mm256_permute2f128_ps(v[c], v[d], 0x31);
    v[0] = low_ab, v[1] = high_ab, v[2] = low_cd, v[3] = high_cd;
  }
};

// 8 channels in their order.
struct Narrow : Registers256 {
  static constexpr size_t kVectors = 1;
  static constexpr size_t kRun = 4;  // outputs at once

  template <size_t rows>
  static void interleave(const uint8_t* const (&x)[4], __m256i (&dwords)[1]) {
    dwords[0] = dwords_of(x[0]);
    for (size_t i = 1; i < rows; ++i)
      dwords[0] = _mm256_or_si256(dwords[0], _mm256_slli_epi32(dwords_of(x[i]), static_cast<int>(8 * i)));
  }
  static void load(const float* x, __m256 (&v)[1]) { v[0] = _mm256_loadu_ps(x); }
  static void store(__m256 (&v)[1], float* y) { _mm256_storeu_ps(y, v[0]); }
  static void store(const __m256i (&codes)[1], uint8_t* y) {
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(codes[0]), _mm256_extracti128_si256(codes[0], 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(y), _mm_packus_epi16(words, words));
  }
};

// What is done to the sums of some channels.
template <class Lanes>
class DepthwiseResults {
 public:
  DepthwiseResults(const IntegerDepthwiseOutput& output, size_t channel, const Lanes&)
      : output_(output),
        least_(_mm256_set1_ps(output.least)),
        most_(_mm256_set1_ps(output.most)),
        residual_scale_(_mm256_set1_ps(output.residual_scale)) {
    Lanes::load(output.scale + channel, scale_);
    Lanes::load(output.bias + channel, bias_);
  }

  // `place` is that of the first channel in y.
  void store(const __m256i (&sums)[Lanes::kVectors], size_t place) const {
    __m256 v[Lanes::kVectors];
    for (size_t q = 0; q < Lanes::kVectors; ++q)
      v[q] = _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sums[q]), scale_[q]), bias_[q]);
    if (output_.floats != nullptr) return Lanes::store(v, output_.floats + place);
    if (output_.residual != nullptr) add_residual(place, v);
    // Rounded, ties to even, and cut; the maximum of NaN and a number is its second operand.
    __m256i codes[Lanes::kVectors];
    for (size_t q = 0; q < Lanes::kVectors; ++q)
      codes[q] = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(v[q], least_), most_));
    Lanes::store(codes, output_.codes + place);
  }

 private:
  void add_residual(size_t place, __m256 (&v)[Lanes::kVectors]) const {
    const uint8_t* const rows[4] = {output_.residual + place};
    __m256i codes[Lanes::kVectors];
    Lanes::template interleave<1>(rows, codes);
    for (size_t q = 0; q < Lanes::kVectors; ++q)
      v[q] = _mm256_add_ps(v[q], _mm256_mul_ps(_mm256_cvtepi32_ps(codes[q]), residual_scale_));
  }

  const IntegerDepthwiseOutput output_;
  const __m256 least_, most_, residual_scale_;
  __m256 scale_[Lanes::kVectors], bias_[Lanes::kVectors];
};

}  // namespace
}  // namespace qc
