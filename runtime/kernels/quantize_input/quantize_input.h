// y[p * channels + c] = code(x[c * pitch + p] * scale[c] + bias[c])
//
// for p in [0, positions), c in [0, channels): floats of an image, channel by channel, become codes whose
// channels are neighbours. code(v) is v rounded, ties to even, and cut to [least, most]; NaN gives least. The
// product is rounded, then the sum.
//
//   x            may be any floats; only those that the formula names are read
//   scale, bias  [channels]
//   y            may not overlap x
//
// Any sizes, including 0. No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

struct ImageToQuantize {
  size_t positions, channels, pitch;
  const float *scale, *bias;
  uint8_t least, most;
};

using quantize_input_fn = void (*)(const ImageToQuantize& image, const float* x, uint8_t* y);

#define QC_QUANTIZE_INPUT(isa, name) void name(const ImageToQuantize& image, const float* x, uint8_t* y);
#include "kernels/quantize_input/kernels.inc"
#undef QC_QUANTIZE_INPUT

}  // namespace qc
