// y[c] = code((float(sum_p x[p * channels + c]) / float(positions)) * scale + bias)      for c in [0,
// channels)
//
// with p in [0, positions): the mean of each channel of an image. code(v) is v rounded, ties to even, and cut
// to [least, most]; NaN gives least. Every operation on floats is rounded by itself.
//
//   positions  1 to kMaxAveraged: then a sum fits int32
//   y          may not overlap x
//
// Any number of channels, including 0. No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

constexpr size_t kMaxAveraged = ((size_t{1} << 31) - 1) / 255;

struct ImageToAverage {
  size_t positions, channels;
  float scale, bias;
  uint8_t least, most;
};

using integer_average_fn = void (*)(const ImageToAverage& image, const uint8_t* x, uint8_t* y);

#define QC_INTEGER_AVERAGE(isa, name) void name(const ImageToAverage& image, const uint8_t* x, uint8_t* y);
#include "kernels/integer_average/kernels.inc"
#undef QC_INTEGER_AVERAGE

}  // namespace qc
