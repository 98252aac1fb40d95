// Depthwise convolutions of codes, channels last: docs/packed-format.md, sections 6 and 7. Knows no
// onnxruntime.
//
// Kernels read x through a table of pointers, one for each position of the padded image: in a pad they point
// to a row of zero points. So x is not copied.
#pragma once

#include "base/convolution.h"
#include "base/tiled_weight.h"
#include "compute/parallel.h"
#include "kernels/decode_tiles/dispatch.h"
#include "kernels/integer_depthwise/dispatch.h"

namespace qc {

struct IntegerDepthwiseKernels {
  DecodeTiles decode;
  IntegerDepthwise multiply;
};
inline IntegerDepthwiseKernels get_integer_depthwise_kernels(Isa isa) {
  return {get_decode_tiles(isa), get_integer_depthwise(isa)};
}

// y and the residual are [batch, height, width, outputs], x [batch, height, width, channels]; `weight` is in
// the order of depthwise convolutions. Of `sizes`, y_shape is not read. Throws std::bad_alloc.
void convolve_integer_depthwise(const IntegerDepthwiseKernels& kernels, const TiledWeight& weight,
                                const Convolution& convolution, const ConvolutionSizes& sizes,
                                uint8_t x_zero_point, const uint8_t* x, const IntegerDepthwiseOutput& output,
                                const Parallel& parallel);

}  // namespace qc
