#include "base/convolution.h"

#include "base/axes.h"

namespace qc {
namespace {

std::string check_group(const std::optional<int64_t>& group, const Shape& weight_shape) {
  const std::string wanted = "wanted a divisor of the " + std::to_string(weight_shape[0]) + " outputs";
  if (!group) return "attribute group is missing, " + wanted;
  if (*group < 1 || *group > kMaxSize || weight_shape[0] % *group != 0)
    return "group is " + std::to_string(*group) + ", " + wanted;
  return "";
}

// Every value is at most 2^31 - 1, so the largest intermediate result, a product of two, fits int64.
int64_t output_size(const Convolution& convolution, size_t axis, int64_t input) {
  const int64_t reach = (convolution.kernel[axis] - 1) * convolution.dilations[axis] + 1;
  const int64_t padded = input + convolution.pads_begin[axis] + convolution.pads_end[axis];
  return padded < reach ? 0 : (padded - reach) / convolution.strides[axis] + 1;
}

std::string check_shape(const Convolution& convolution, const Shape& x_shape, Layout layout) {
  const size_t rank = convolution.spatial_axes + 2;
  const bool first = layout == Layout::channels_first;
  bool fits =
      x_shape.size() == rank && x_shape[first ? 1 : rank - 1] == static_cast<int64_t>(convolution.channels);
  for (int64_t size : x_shape) fits = fits && size >= 0 && size <= kMaxSize;
  if (fits) return "";
  const std::string spatial = convolution.spatial_axes == 1 ? "length" : "height, width";
  const std::string channels = std::to_string(convolution.channels);
  return "x is " + as_text(x_shape) + ", wanted [batch, " +
         (first ? channels + ", " + spatial : spatial + ", " + channels) + "]";
}

}  // namespace

std::string check_convolution(const ConvolutionClaim& claim, const Shape& weight_shape,
                              Convolution* convolution) {
  if (weight_shape.size() != 3 && weight_shape.size() != 4) {
    return "weight_shape is " + as_text(weight_shape) +
           ", wanted [n, channels / group, *kernel] with one or two kernel axes";
  }
  const size_t axes = weight_shape.size() - 2;
  std::string error = check_sizes("strides", claim.strides, axes, 1);
  if (error.empty()) error = check_sizes("dilations", claim.dilations, axes, 1);
  if (error.empty()) error = check_sizes("pads", claim.pads, 2 * axes, 0);
  if (error.empty()) error = check_group(claim.group, weight_shape);
  if (!error.empty()) return error;
  convolution->spatial_axes = axes;
  convolution->groups = static_cast<size_t>(*claim.group);
  convolution->outputs = static_cast<size_t>(weight_shape[0]);
  // At most (2^31 - 1)^2: fits.
  convolution->channels = static_cast<size_t>(weight_shape[1] * *claim.group);
  convolution->kernel = two_axes(weight_shape.data() + 2, axes, 1);
  convolution->strides = two_axes(claim.strides->data(), axes, 1);
  convolution->dilations = two_axes(claim.dilations->data(), axes, 1);
  convolution->pads_begin = two_axes(claim.pads->data(), axes, 0);
  convolution->pads_end = two_axes(claim.pads->data() + axes, axes, 0);
  return "";
}

std::string check_convolution_input(const Convolution& convolution, const Shape& x_shape,
                                    ConvolutionSizes* sizes, Layout layout) {
  std::string error = check_shape(convolution, x_shape, layout);
  if (!error.empty()) return error;
  const bool first = layout == Layout::channels_first;
  const auto outputs = static_cast<int64_t>(convolution.outputs);
  sizes->batch = static_cast<size_t>(x_shape[0]);
  sizes->input = two_axes(x_shape.data() + (first ? 2 : 1), convolution.spatial_axes, 1);
  sizes->y_shape.clear();
  sizes->y_shape.reserve(x_shape.size());
  sizes->y_shape.push_back(x_shape[0]);
  if (first) sizes->y_shape.push_back(outputs);
  for (size_t axis = 0; axis < 2; ++axis) {
    sizes->output[axis] = output_size(convolution, axis, sizes->input[axis]);
    if (sizes->output[axis] < 1)
      return "x is " + as_text(x_shape) + ": too small for the kernel, the output would be empty";
    if (axis + convolution.spatial_axes >= 2) sizes->y_shape.push_back(sizes->output[axis]);
  }
  if (!first) sizes->y_shape.push_back(outputs);
  size_t count = 0, bytes = 0;
  const bool fits = checked_product(sizes->y_shape.data(), sizes->y_shape.size(), &count) &&
                    checked_multiply(count, sizeof(float), &bytes) && bytes <= size_t{1} << 48;
  return fits ? "" : "the output would be " + as_text(sizes->y_shape) + ": too large";
}

}  // namespace qc
