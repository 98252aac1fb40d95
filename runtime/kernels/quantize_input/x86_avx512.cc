#include "kernels/codes/x86_avx512.h"

#include "kernels/quantize_input/quantize_input.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16;  // positions

// Codes of 16 positions of one of `channels` channels, the first ones of an image.
template <size_t channels>
class Quantizer {
 public:
  explicit Quantizer(const ImageToQuantize& image) : limits_(image.least, image.most) {
    for (size_t c = 0; c < channels; ++c) {
      scale_[c] = _mm512_set1_ps(image.scale[c]);
      bias_[c] = _mm512_set1_ps(image.bias[c]);
    }
  }

  __m512i codes(size_t c, __m512 x) const {
    return codes_of(_mm512_add_ps(_mm512_mul_ps(x, scale_[c]), bias_[c]), limits_);
  }

 private:
  const CodeLimits limits_;
  __m512 scale_[channels], bias_[channels];
};

// Up to four channels of 16 positions, or fewer: a dword for each position, the first channel lowest.
template <size_t channels>
inline __m512i dwords_of(const Quantizer<channels>& quantizer, size_t pitch, __mmask16 lanes,
                         const float* x) {
  __m512i dwords = quantizer.codes(0, _mm512_maskz_loadu_ps(lanes, x));
  for (size_t c = 1; c < channels; ++c) {
    const __m512i codes = quantizer.codes(c, _mm512_maskz_loadu_ps(lanes, x + c * pitch));
    dwords = _mm512_or_si512(dwords, _mm512_slli_epi32(codes, static_cast<unsigned>(8 * c)));
  }
  return dwords;
}

// The lowest `channels` bytes of every dword, next to each other.
template <size_t channels>
inline __m512i compact(__m512i dwords) {
  if constexpr (channels == 4) return dwords;
  if constexpr (channels == 1) return _mm512_castsi128_si512(_mm512_cvtepi32_epi8(dwords));
  const __m512i bytes =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
  const __m512i order = _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, _mm512_shuffle_epi8(dwords, bytes));
}

template <size_t channels>
void quantize(const ImageToQuantize& image, const float* x, uint8_t* y) {
  static_assert(channels == 1 || channels == 3 || channels == 4);
  const Quantizer<channels> quantizer(image);
  const size_t pitch = image.pitch, positions = image.positions;
  const __mmask64 all = first_64(channels * kLanes);
  size_t p = 0;
  for (; p + kLanes <= positions; p += kLanes) {
    const __m512i dwords = dwords_of<channels>(quantizer, pitch, 0xffff, x + p);
    _mm512_mask_storeu_epi8(y + p * channels, all, compact<channels>(dwords));
  }
  if (p == positions) return;
  const __m512i dwords = dwords_of<channels>(quantizer, pitch, first_16(positions - p), x + p);
  _mm512_mask_storeu_epi8(y + p * channels, first_64((positions - p) * channels), compact<channels>(dwords));
}

// Any number of channels: `count` of them, at most four, from one on of which `x` and `y` are the first.
template <size_t count>
void quantize_some(const ImageToQuantize& image, const float* x, uint8_t* y) {
  const Quantizer<count> quantizer(image);
  for (size_t p = 0; p < image.positions; p += kLanes) {
    const size_t left = image.positions - p, lanes = left < kLanes ? left : kLanes;
    alignas(64) uint8_t codes[4 * kLanes];
    _mm512_store_si512(codes, dwords_of<count>(quantizer, image.pitch, first_16(lanes), x + p));
    for (size_t i = 0; i < lanes; ++i) __builtin_memcpy(y + (p + i) * image.channels, codes + 4 * i, count);
  }
}

// Blocks of positions, so that what is written stays in a near cache until its last channel.
void quantize_any(const ImageToQuantize& image, const float* x, uint8_t* y) {
  constexpr size_t kBlock = 64;
  ImageToQuantize block = image;
  for (size_t p = 0; p < image.positions; p += kBlock) {
    block.positions = image.positions - p < kBlock ? image.positions - p : kBlock;
    const float* const from = x + p;
    uint8_t* const to = y + p * image.channels;
    size_t c = 0;
    for (; c < image.channels; c += c + 4 <= image.channels ? 4 : 1) {
      block.scale = image.scale + c;
      block.bias = image.bias + c;
      const auto quantize = c + 4 <= image.channels ? quantize_some<4> : quantize_some<1>;
      quantize(block, from + c * image.pitch, to + c);
    }
  }
}

}  // namespace

void quantize_input_avx512(const ImageToQuantize& image, const float* x, uint8_t* y) {
  if (image.channels == 1) return quantize<1>(image, x, y);
  if (image.channels == 3) return quantize<3>(image, x, y);
  if (image.channels == 4) return quantize<4>(image, x, y);
  quantize_any(image, x, y);
}

}  // namespace qc
