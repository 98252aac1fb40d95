// The attributes of a pooling, checked, and the sizes that follow from them. Knows no onnxruntime.
// A pooling with one spatial axis is one with two of which the first has size 1.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/shape.h"

namespace qc {

// What a node says: nothing in it has been checked.
struct PoolingClaim {
  std::optional<Shape> kernel_shape, strides, pads;
};

struct Pooling {
  size_t spatial_axes;                          // 1 or 2
  std::array<int64_t, 2> kernel, strides;       // each from 1 to kMaxSize
  std::array<int64_t, 2> pads_begin, pads_end;  // each smaller than its axis of the kernel
};

// The sizes of one call; every window has a position in the image.
struct PoolingSizes {
  size_t batch, channels;
  std::array<int64_t, 2> input, output;  // each at least 1
  Shape y_shape;                         // [batch, *output, channels]
};

// Fills *pooling, or returns what is wrong.
std::string check_pooling(const PoolingClaim& claim, Pooling* pooling);

// Fills *sizes for an x of shape [batch, *spatial, channels], or returns what is wrong with it.
std::string check_pooling_input(const Pooling& pooling, const Shape& x_shape, PoolingSizes* sizes);

}  // namespace qc
