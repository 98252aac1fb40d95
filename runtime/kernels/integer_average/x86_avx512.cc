#include "kernels/codes/x86_avx512.h"

#include "kernels/integer_average/integer_average.h"

namespace qc {
namespace {

constexpr size_t kBlock = 64;             // channels
constexpr size_t kInWords = 65535 / 255;  // so many codes sum up within 16 bits

// sums += the sums of 64 channels of `positions` positions, at most kInWords: dwords in the order in which
// unpacking leaves them.
inline void add_positions(size_t positions, size_t channels, __mmask64 lanes, const uint8_t* x,
                          __m512i (&sums)[4]) {
  const __m512i zero = _mm512_setzero_si512();
  __m512i low = zero, high = zero;
  for (size_t p = 0; p < positions; ++p) {
    const __m512i codes = _mm512_maskz_loadu_epi8(lanes, x + p * channels);
    low = _mm512_add_epi16(low, _mm512_unpacklo_epi8(codes, zero));
    high = _mm512_add_epi16(high, _mm512_unpackhi_epi8(codes, zero));
  }
  sums[0] = _mm512_add_epi32(sums[0], _mm512_unpacklo_epi16(low, zero));
  sums[1] = _mm512_add_epi32(sums[1], _mm512_unpackhi_epi16(low, zero));
  sums[2] = _mm512_add_epi32(sums[2], _mm512_unpacklo_epi16(high, zero));
  sums[3] = _mm512_add_epi32(sums[3], _mm512_unpackhi_epi16(high, zero));
}

// Packing undoes the order of unpacking.
inline __m512i codes_of_sums(const ImageToAverage& image, const __m512i (&sums)[4]) {
  const CodeLimits limits(image.least, image.most);
  const __m512 count = _mm512_set1_ps(static_cast<float>(image.positions));
  const __m512 scale = _mm512_set1_ps(image.scale), bias = _mm512_set1_ps(image.bias);
  __m512i codes[4];
  for (size_t i = 0; i < 4; ++i) {
    const __m512 mean = _mm512_div_ps(_mm512_cvtepi32_ps(sums[i]), count);
    codes[i] = codes_of(_mm512_add_ps(_mm512_mul_ps(mean, scale), bias), limits);
  }
  return _mm512_packus_epi16(_mm512_packs_epi32(codes[0], codes[1]), _mm512_packs_epi32(codes[2], codes[3]));
}

}  // namespace

void integer_average_avx512(const ImageToAverage& image, const uint8_t* x, uint8_t* y) {
  for (size_t c = 0; c < image.channels; c += kBlock) {
    const __mmask64 lanes = first_64(image.channels - c);
    __m512i sums[4] = {};
    for (size_t p = 0; p < image.positions; p += kInWords) {
      const size_t left = image.positions - p;
      add_positions(left < kInWords ? left : kInWords, image.channels, lanes, x + p * image.channels + c,
                    sums);
    }
    _mm512_mask_storeu_epi8(y + c, lanes, codes_of_sums(image, sums));
  }
}

}  // namespace qc
