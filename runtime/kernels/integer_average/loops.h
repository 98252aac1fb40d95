// The loops of integer_average for a compiler to vectorize: a file includes them and is compiled with its
// flags.
#pragma once

#include "kernels/codes/scalar.h"
#include "kernels/integer_average/integer_average.h"

namespace qc {

// `channels` of at most kChannels from `first` on.
template <size_t kChannels>
static inline void average_channels(ImageToAverage image, size_t first, size_t channels, const uint8_t* x,
                                    uint8_t* __restrict y) {
  int32_t sums[kChannels] = {};
  for (size_t p = 0; p < image.positions; ++p)
    for (size_t c = 0; c < channels; ++c) sums[c] += x[p * image.channels + first + c];
  for (size_t c = 0; c < channels; ++c) {
    const float mean = static_cast<float>(sums[c]) / static_cast<float>(image.positions);
    y[first + c] = code_of(mean * image.scale + image.bias, image.least, image.most);
  }
}

static inline void average_loops(const ImageToAverage& image, const uint8_t* x, uint8_t* y) {
  constexpr size_t kMost = 64;
  size_t c = 0;
  for (; c + kMost <= image.channels; c += kMost) average_channels<kMost>(image, c, kMost, x, y);
  if (c < image.channels) average_channels<kMost>(image, c, image.channels - c, x, y);
}

}  // namespace qc
