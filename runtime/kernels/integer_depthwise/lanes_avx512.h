// How channels lie in the registers of integer_depthwise, and how its sums become results. For files compiled
// for AVX-512 only.
#pragma once

#include "kernels/codes/x86_avx512.h"
#include "kernels/integer_depthwise/integer_depthwise.h"

namespace qc {
namespace {

// Rows of vectors become columns, and back: lane `i` of vector `j` is that of lane `j` of vector `i`.
inline void transpose_lanes(__m512 (&v)[4]) {
  const __m512 a = _mm512_shuffle_f32x4(v[0], v[1], 0x44), b = _mm512_shuffle_f32x4(v[0], v[1], 0xee),
               c = _mm512_shuffle_f32x4(v[2], v[3], 0x44), d = _mm512_shuffle_f32x4(v[2], v[3], 0xee);
  v[0] = _mm512_shuffle_f32x4(a, c, 0x88), v[1] = _mm512_shuffle_f32x4(a, c, 0xdd);
  v[2] = _mm512_shuffle_f32x4(b, d, 0x88), v[3] = _mm512_shuffle_f32x4(b, d, 0xdd);
}

// 64 channels in four vectors of dwords as unpacking leaves them: vector q holds 4 q to 4 q + 3 of each
// sixteen.
struct Wide {
  static constexpr size_t kVectors = 4;
  static constexpr size_t kChannels = 64;

  explicit Wide(size_t) {}

  // The bytes at `rows` places, at most four, that belong to one channel, in one dword.
  template <size_t rows>
  void interleave(const uint8_t* const (&x)[4], __m512i (&dwords)[4]) const {
    __m512i bytes[4] = {};
    for (size_t i = 0; i < rows; ++i) bytes[i] = _mm512_loadu_si512(x[i]);
    unpack(bytes, dwords);
  }
  void load_codes_of(const uint8_t* x, __m512i (&dwords)[4]) const {
    const __m512i bytes[4] = {_mm512_loadu_si512(x)};
    unpack(bytes, dwords);
  }
  void load(const float* x, __m512 (&v)[4]) const {
    for (size_t i = 0; i < 4; ++i) v[i] = _mm512_loadu_ps(x + 16 * i);
    transpose_lanes(v);
  }
  void store(__m512 (&v)[4], float* y) const {
    transpose_lanes(v);
    for (size_t i = 0; i < 4; ++i) _mm512_storeu_ps(y + 16 * i, v[i]);
  }
  // Packing undoes the order of unpacking.
  void store(const __m512i (&codes)[4], uint8_t* y) const {
    const __m512i low = _mm512_packs_epi32(codes[0], codes[1]), high = _mm512_packs_epi32(codes[2], codes[3]);
    _mm512_storeu_si512(y, _mm512_packus_epi16(low, high));
  }

 private:
  static void unpack(const __m512i (&bytes)[4], __m512i (&dwords)[4]) {
    const __m512i low01 = _mm512_unpacklo_epi8(bytes[0], bytes[1]),
                  high01 = _mm512_unpackhi_epi8(bytes[0], bytes[1]),
                  low23 = _mm512_unpacklo_epi8(bytes[2], bytes[3]),
                  high23 = _mm512_unpackhi_epi8(bytes[2], bytes[3]);
    dwords[0] = _mm512_unpacklo_epi16(low01, low23), dwords[1] = _mm512_unpackhi_epi16(low01, low23);
    dwords[2] = _mm512_unpacklo_epi16(high01, high23), dwords[3] = _mm512_unpackhi_epi16(high01, high23);
  }
};

// 16 channels, or fewer, in their order.
struct Narrow {
  static constexpr size_t kVectors = 1;
  static constexpr size_t kChannels = 16;

  explicit Narrow(size_t channels) : lanes(first_16(channels)) {}

  template <size_t rows>
  void interleave(const uint8_t* const (&x)[4], __m512i (&dwords)[1]) const {
    dwords[0] = dwords_at(x[0]);
    for (size_t i = 1; i < rows; ++i)
      dwords[0] =
          _mm512_or_si512(dwords[0], _mm512_slli_epi32(dwords_at(x[i]), static_cast<unsigned>(8 * i)));
  }
  void load_codes_of(const uint8_t* x, __m512i (&dwords)[1]) const { dwords[0] = dwords_at(x); }
  void load(const float* x, __m512 (&v)[1]) const { v[0] = _mm512_maskz_loadu_ps(lanes, x); }
  void store(__m512 (&v)[1], float* y) const { _mm512_mask_storeu_ps(y, lanes, v[0]); }
  void store(const __m512i (&codes)[1], uint8_t* y) const {
    _mm_mask_storeu_epi8(y, lanes, _mm512_cvtepi32_epi8(codes[0]));
  }

  __mmask16 lanes;

 private:
  __m512i dwords_at(const uint8_t* x) const { return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, x)); }
};

// What is done to the sums of some channels.
template <class Lanes>
class DepthwiseResults {
 public:
  DepthwiseResults(const IntegerDepthwiseOutput& output, size_t channel, const Lanes& lanes)
      : output_(output),
        lanes_(lanes),
        limits_(output.least, output.most),
        residual_scale_(_mm512_set1_ps(output.residual_scale)) {
    lanes.load(output.scale + channel, scale_);
    lanes.load(output.bias + channel, bias_);
  }

  // `place` is that of the first channel in y.
  void store(const __m512i (&sums)[Lanes::kVectors], size_t place) const {
    __m512 v[Lanes::kVectors];
    for (size_t q = 0; q < Lanes::kVectors; ++q)
      v[q] = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sums[q]), scale_[q]), bias_[q]);
    if (output_.floats != nullptr) return lanes_.store(v, output_.floats + place);
    if (output_.residual != nullptr) add_residual(place, v);
    __m512i codes[Lanes::kVectors];
    for (size_t q = 0; q < Lanes::kVectors; ++q) codes[q] = codes_of(v[q], limits_);
    lanes_.store(codes, output_.codes + place);
  }

 private:
  void add_residual(size_t place, __m512 (&v)[Lanes::kVectors]) const {
    __m512i codes[Lanes::kVectors];
    lanes_.load_codes_of(output_.residual + place, codes);
    for (size_t q = 0; q < Lanes::kVectors; ++q)
      v[q] = _mm512_add_ps(v[q], _mm512_mul_ps(_mm512_cvtepi32_ps(codes[q]), residual_scale_));
  }

  const IntegerDepthwiseOutput output_;
  const Lanes lanes_;
  const CodeLimits limits_;
  const __m512 residual_scale_;
  __m512 scale_[Lanes::kVectors], bias_[Lanes::kVectors];
};

}  // namespace
}  // namespace qc
