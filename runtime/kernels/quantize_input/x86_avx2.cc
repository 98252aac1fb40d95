#include <cstddef>
#include <cstdint>

#include "kernels/codes/scalar.h"
#include "kernels/quantize_input/quantize_input.h"

namespace qc {
namespace {

// One channel, or three or four at once: loops for the compiler to vectorize.
template <size_t channels>
inline void quantize(ImageToQuantize image, const float* __restrict x, uint8_t* __restrict y) {
  for (size_t p = 0; p < image.positions; ++p)
    for (size_t c = 0; c < channels; ++c)
      y[p * channels + c] =
          code_of(x[c * image.pitch + p] * image.scale[c] + image.bias[c], image.least, image.most);
}

}  // namespace

void quantize_input_avx2(const ImageToQuantize& image, const float* x, uint8_t* y) {
  if (image.channels == 1) return quantize<1>(image, x, y);
  if (image.channels == 3) return quantize<3>(image, x, y);
  if (image.channels == 4) return quantize<4>(image, x, y);
  quantize_input_scalar(image, x, y);
}

}  // namespace qc
