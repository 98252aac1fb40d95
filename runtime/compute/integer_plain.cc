#include "compute/integer_plain.h"

#include "kernels/decode/tiles_scalar.h"
#include "kernels/integer_gemm/scalar.h"

namespace qc {
namespace {

int32_t sum_at(const IntegerLayer& layer, const Convolution& c, const ConvolutionSizes& sizes,
               const uint8_t* image, size_t output, int64_t out_row, int64_t out_column) {
  const size_t channel = output / (c.outputs / c.groups);
  int32_t sum = 0;
  for (int64_t u = 0; u < c.kernel[0]; ++u) {
    for (int64_t v = 0; v < c.kernel[1]; ++v) {
      const int64_t row = out_row * c.strides[0] + u * c.dilations[0] - c.pads_begin[0];
      const int64_t column = out_column * c.strides[1] + v * c.dilations[1] - c.pads_begin[1];
      if (row < 0 || row >= sizes.input[0] || column < 0 || column >= sizes.input[1]) continue;
      const size_t pixel = static_cast<size_t>(row * sizes.input[1] + column);
      const size_t place = static_cast<size_t>(u * c.kernel[1] + v) * c.outputs + output;
      sum += (image[pixel * c.channels + channel] - layer.weight.x_zero_point) *
             integer_weight_at(layer.weight.tiles, place, output);
    }
  }
  return sum;
}

}  // namespace

void convolve_integer_plainly(const IntegerLayer& layer, const Convolution& convolution,
                              const ConvolutionSizes& sizes, const uint8_t* x, const IntegerOutput& output,
                              const Parallel& parallel) {
  const IntegerWeight& weight = layer.weight;
  const IntegerResults results = {output.y,           output.is_float,   weight.outputs,
                                  weight.outputs,     nullptr,           weight.scale,
                                  weight.bias,        output.residual,   output.residual_scale,
                                  output.range.least, output.range.most, false};
  const auto rows = static_cast<size_t>(sizes.output[0]), columns = static_cast<size_t>(sizes.output[1]);
  const size_t image_bytes = static_cast<size_t>(sizes.input[0] * sizes.input[1]) * convolution.channels;
  parallel(sizes.batch * rows, [&](size_t row) {
    for (size_t column = 0; column < columns; ++column)
      for (size_t i = 0; i < weight.outputs; ++i)
        store_result(results, row * columns + column, i,
                     sum_at(layer, convolution, sizes, x + row / rows * image_bytes, i,
                            static_cast<int64_t>(row % rows), static_cast<int64_t>(column)));
  });
}

}  // namespace qc
