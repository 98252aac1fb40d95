#include "base/pooling.h"

#include "base/axes.h"

namespace qc {
namespace {

std::string check_claim(const PoolingClaim& claim) {
  if (!claim.kernel_shape) return "attribute kernel_shape is missing, wanted one or two ints";
  const size_t axes = claim.kernel_shape->size();
  if (axes != 1 && axes != 2)
    return "kernel_shape is " + as_text(*claim.kernel_shape) + ", wanted one or two ints";
  std::string error = check_sizes("kernel_shape", claim.kernel_shape, axes, 1);
  if (error.empty()) error = check_sizes("strides", claim.strides, axes, 1);
  if (error.empty()) error = check_sizes("pads", claim.pads, 2 * axes, 0);
  if (!error.empty()) return error;
  bool fits = true;
  for (size_t i = 0; i < 2 * axes; ++i) fits = fits && (*claim.pads)[i] < (*claim.kernel_shape)[i % axes];
  return fits ? ""
              : "pads is " + as_text(*claim.pads) + ", wanted each smaller than its axis of kernel_shape " +
                    as_text(*claim.kernel_shape);
}

std::string check_shape(const Pooling& pooling, const Shape& x_shape) {
  bool fits = x_shape.size() == pooling.spatial_axes + 2;
  for (int64_t size : x_shape) fits = fits && size >= 0 && size <= kMaxSize;
  if (fits) return "";
  return "x is " + as_text(x_shape) + ", wanted [batch, " +
         (pooling.spatial_axes == 1 ? "length" : "height, width") + ", channels]";
}

// Sizes are at most 2^31 - 1, so nothing overflows.
int64_t output_size(const Pooling& pooling, size_t axis, int64_t input) {
  const int64_t padded = input + pooling.pads_begin[axis] + pooling.pads_end[axis];
  if (input < 1 || padded < pooling.kernel[axis]) return 0;
  return (padded - pooling.kernel[axis]) / pooling.strides[axis] + 1;
}

}  // namespace

std::string check_pooling(const PoolingClaim& claim, Pooling* pooling) {
  const std::string error = check_claim(claim);
  if (!error.empty()) return error;
  const size_t axes = claim.kernel_shape->size();
  pooling->spatial_axes = axes;
  pooling->kernel = two_axes(claim.kernel_shape->data(), axes, 1);
  pooling->strides = two_axes(claim.strides->data(), axes, 1);
  pooling->pads_begin = two_axes(claim.pads->data(), axes, 0);
  pooling->pads_end = two_axes(claim.pads->data() + axes, axes, 0);
  return "";
}

std::string check_pooling_input(const Pooling& pooling, const Shape& x_shape, PoolingSizes* sizes) {
  const std::string error = check_shape(pooling, x_shape);
  if (!error.empty()) return error;
  sizes->batch = static_cast<size_t>(x_shape.front());
  sizes->channels = static_cast<size_t>(x_shape.back());
  sizes->input = two_axes(x_shape.data() + 1, pooling.spatial_axes, 1);
  sizes->y_shape = x_shape;
  for (size_t axis = 0; axis < 2; ++axis) {
    sizes->output[axis] = output_size(pooling, axis, sizes->input[axis]);
    if (sizes->output[axis] < 1)
      return "x is " + as_text(x_shape) + ": too small for the kernel, the output would be empty";
    if (axis + pooling.spatial_axes >= 2)
      sizes->y_shape[axis + pooling.spatial_axes - 1] = sizes->output[axis];
  }
  size_t count = 0;
  const bool fits =
      checked_product(sizes->y_shape.data(), sizes->y_shape.size(), &count) && count <= size_t{1} << 48;
  return fits ? "" : "the output would be " + as_text(sizes->y_shape) + ": too large";
}

}  // namespace qc
