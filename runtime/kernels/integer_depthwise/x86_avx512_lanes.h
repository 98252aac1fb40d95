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

struct ByteLimits {
  ByteLimits(uint8_t low, uint8_t high)
      : least(_mm512_set1_epi8(static_cast<char>(low))), most(_mm512_set1_epi8(static_cast<char>(high))) {}
  __m512i least, most;
};

struct Registers512 {
  using Integers = __m512i;
  static __m512i all_bytes(uint8_t byte) { return _mm512_set1_epi8(static_cast<char>(byte)); }
  static __m512i negative(__m512i v) { return _mm512_sub_epi32(_mm512_setzero_si512(), v); }
  static __m512i shifted(__m512i v, unsigned bits) { return _mm512_slli_epi32(v, bits); }
};

// 64 channels in four vectors of dwords as unpacking leaves them: vector q holds 4 q to 4 q + 3 of each
// sixteen.
struct Wide : Registers512 {
  static constexpr size_t kVectors = 4;
  static constexpr size_t kRun = 2;  // outputs at once: their sums and all weights fit the registers

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
  // Packing undoes the order of unpacking, and cuts dwords to bytes.
  void store(const __m512i (&dwords)[4], const ByteLimits& limits, uint8_t* y) const {
    const __m512i low = _mm512_packs_epi32(dwords[0], dwords[1]),
                  high = _mm512_packs_epi32(dwords[2], dwords[3]);
    const __m512i bytes = _mm512_packus_epi16(low, high);
    _mm512_storeu_si512(y, _mm512_min_epu8(_mm512_max_epu8(bytes, limits.least), limits.most));
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

// 32 channels in two vectors of dwords: of each eight channels the first four in one, the last four in the
// other.
struct Half : Registers512 {
  static constexpr size_t kVectors = 2;
  static constexpr size_t kRun = 4;  // outputs at once

  // Bytes of rows 0 and 1 make words in the lower half of a vector, those of rows 2 and 3 in the upper half.
  template <size_t rows>
  void interleave(const uint8_t* const (&x)[4], __m512i (&dwords)[2]) const {
    __m256i bytes[4] = {};
    for (size_t i = 0; i < rows; ++i) bytes[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x[i]));
    const __m512i even = rows > 2 ? _mm512_inserti64x4(_mm512_castsi256_si512(bytes[0]), bytes[2], 1)
                                  : _mm512_zextsi256_si512(bytes[0]);
    const __m512i odd = rows > 3 ? _mm512_inserti64x4(_mm512_castsi256_si512(bytes[1]), bytes[3], 1)
                                 : _mm512_zextsi256_si512(bytes[1]);
    const __m512i low = _mm512_unpacklo_epi8(even, odd), high = _mm512_unpackhi_epi8(even, odd);
    dwords[0] = _mm512_permutex2var_epi16(low, first_words(), high);
    dwords[1] = _mm512_permutex2var_epi16(low, _mm512_add_epi16(first_words(), _mm512_set1_epi16(4)), high);
  }
  void load_codes_of(const uint8_t* x, __m512i (&dwords)[2]) const {
    const uint8_t* const rows[4] = {x};
    interleave<1>(rows, dwords);
  }
  void load(const float* x, __m512 (&v)[2]) const {
    const __m512 low = _mm512_loadu_ps(x), high = _mm512_loadu_ps(x + 16);
    v[0] = _mm512_shuffle_f32x4(low, high, 0x88), v[1] = _mm512_shuffle_f32x4(low, high, 0xdd);
  }
  void store(__m512 (&v)[2], float* y) const {
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                  high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    const __m512d first = _mm512_castps_pd(v[0]), last = _mm512_castps_pd(v[1]);
    _mm512_storeu_pd(y, _mm512_permutex2var_pd(first, low, last));
    _mm512_storeu_pd(y + 16, _mm512_permutex2var_pd(first, high, last));
  }
  void store(const __m512i (&dwords)[2], const ByteLimits& limits, uint8_t* y) const {
    const __m512i words = _mm512_packs_epi32(dwords[0], dwords[1]);
    const __m512i cut =
        _mm512_min_epu8(_mm512_max_epu8(_mm512_packus_epi16(words, words), limits.least), limits.most);
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 0, 2, 4, 6);
    const __m256i bytes = _mm512_castsi512_si256(_mm512_permutexvar_epi64(order, cut));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), bytes);
  }

 private:
  // Words of channels 0 to 3, 8 to 11 and so on, each with the one of the upper half. Words 0 to 7 of the
  // vector of lower bytes are channels 0 to 7, 8 to 15 are 16 to 23; those of the vector of higher ones, from
  // 32 on, the rest.
  static __m512i first_words() {
    return _mm512_set_epi16(59, 43, 58, 42, 57, 41, 56, 40, 27, 11, 26, 10, 25, 9, 24, 8, 51, 35, 50, 34, 49,
                            33, 48, 32, 19, 3, 18, 2, 17, 1, 16, 0);
  }
};

// 16 channels in their order; or fewer, where they are not `whole`: masks take time.
template <bool whole>
struct Narrow : Registers512 {
  static constexpr size_t kVectors = 1;
  static constexpr size_t kRun = 4;  // outputs at once

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
  void store(const __m512i (&dwords)[1], const ByteLimits& limits, uint8_t* y) const {
    const __m128i bytes = _mm512_cvtusepi32_epi8(_mm512_max_epi32(dwords[0], _mm512_setzero_si512()));
    const __m128i least = _mm512_castsi512_si128(limits.least), most = _mm512_castsi512_si128(limits.most);
    _mm_mask_storeu_epi8(y, lanes, _mm_min_epu8(_mm_max_epu8(bytes, least), most));
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
        bytes_(output.least, output.most),
        residual_scale_(_mm512_set1_ps(output.residual_scale)) {
    lanes.load(output.scale + channel, scale_);
    lanes.load(output.bias + channel, bias_);
    fits_ = all_fit();
  }

  // `place` is that of the first channel in y.
  void store(const __m512i (&sums)[Lanes::kVectors], size_t place) const {
    __m512 v[Lanes::kVectors];
    for (size_t q = 0; q < Lanes::kVectors; ++q)
      v[q] = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sums[q]), scale_[q]), bias_[q]);
    if (output_.floats != nullptr) return lanes_.store(v, output_.floats + place);
    if (output_.residual != nullptr) add_residual(place, v);
    __m512i codes[Lanes::kVectors];
    for (size_t q = 0; q < Lanes::kVectors; ++q)
      codes[q] = fits_ ? _mm512_cvtps_epi32(v[q]) : codes_of(v[q], limits_);
    lanes_.store(codes, bytes_, output_.codes + place);
  }

 private:
  // Whether no result can leave the range of a dword, so that it need not be cut before it is rounded: a sum
  // is below 2^31 and a residual 2^8, so the three terms are at most 2^29, 2^29 and 2^30.
  bool all_fit() const {
    const auto exceeds = [](__m512 v, float most) {
      return _mm512_cmp_ps_mask(_mm512_abs_ps(v), _mm512_set1_ps(most), _CMP_GT_OQ) != 0;
    };
    bool fit = !exceeds(residual_scale_, 0x1p22f);
    for (size_t q = 0; q < Lanes::kVectors; ++q)
      fit = fit && !exceeds(scale_[q], 0x1p-2f) && !exceeds(bias_[q], 0x1p29f);
    return fit;
  }

  void add_residual(size_t place, __m512 (&v)[Lanes::kVectors]) const {
    __m512i codes[Lanes::kVectors];
    lanes_.load_codes_of(output_.residual + place, codes);
    for (size_t q = 0; q < Lanes::kVectors; ++q)
      v[q] = _mm512_add_ps(v[q], _mm512_mul_ps(_mm512_cvtepi32_ps(codes[q]), residual_scale_));
  }

  const IntegerDepthwiseOutput output_;
  const Lanes lanes_;
  const CodeLimits limits_;
  const ByteLimits bytes_;
  const __m512 residual_scale_;
  __m512 scale_[Lanes::kVectors], bias_[Lanes::kVectors];
  bool fits_;
};

}  // namespace
}  // namespace qc
