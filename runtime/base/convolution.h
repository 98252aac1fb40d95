// The attributes of a convolution, checked, and the sizes that follow from them. Knows no onnxruntime.
// A convolution with one spatial axis is one with two of which the first has size 1.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/shape.h"

namespace qc {

// What a node says: nothing in it has been checked.
struct ConvolutionClaim {
  std::optional<Shape> strides, pads, dilations;
  std::optional<int64_t> group;
};

struct Convolution {
  size_t spatial_axes;       // 1 or 2
  size_t groups;             // a divisor of the outputs
  size_t outputs, channels;  // of all groups
  std::array<int64_t, 2> kernel, strides, dilations;
  std::array<int64_t, 2> pads_begin, pads_end;  // each from 0 to kMaxSize, the others from 1 on
};

// The sizes of one call.
struct ConvolutionSizes {
  size_t batch;
  std::array<int64_t, 2> input, output;  // output: each at least 1
  Shape y_shape;                         // as onnxruntime wants it: [batch, outputs, ...]
};

// Fills *convolution, or returns what is wrong. `weight_shape` has been checked: [n, channels / group,
// *kernel].
std::string check_convolution(const ConvolutionClaim& claim, const Shape& weight_shape,
                              Convolution* convolution);

// Where x and y have their channels: [batch, channels, *spatial] or [batch, *spatial, channels].
enum class Layout { channels_first, channels_last };

// Fills *sizes for an x of shape `x_shape`, or returns what is wrong with it.
std::string check_convolution_input(const Convolution& convolution, const Shape& x_shape,
                                    ConvolutionSizes* sizes, Layout layout = Layout::channels_first);

}  // namespace qc
