#include "kernels/codes/scalar.h"

#include "kernels/quantize_input/quantize_input.h"

namespace qc {

void quantize_input_scalar(const ImageToQuantize& image, const float* x, uint8_t* y) {
  for (size_t p = 0; p < image.positions; ++p)
    for (size_t c = 0; c < image.channels; ++c)
      y[p * image.channels + c] =
          code_of(x[c * image.pitch + p] * image.scale[c] + image.bias[c], image.least, image.most);
}

}  // namespace qc
