// Whole operations on random operands, against float64: for the tests of shapes and for the mutation test.
#pragma once

#include <algorithm>
#include <memory>

#include "base/convolution.h"
#include "base/packed_weight.h"
#include "compute/depthwise.h"
#include "compute/multiply.h"
#include "support.h"

namespace qc::test {

// Tasks in reverse order: none may rely on an earlier one.
inline void run_backwards(size_t count, const std::function<void(size_t)>& task) {
  for (size_t i = count; i-- > 0;) task(i);
}

// A weight with scale and bias, packed, its operands between guard pages.
struct RandomOperands {
  RandomWeight plain;
  std::vector<float> scale, bias;
  Guarded<uint8_t> indices;
  Guarded<float> codebook;
  WeightClaim claim;

  RandomOperands(Random& random, const Shape& shape, size_t bits, size_t groups, Flush flush)
      : plain(random, static_cast<size_t>(shape[0]), columns_of(shape), bits, groups),
        scale(uniform(random, 0, 1) == 0 ? std::vector<float>() : normal_floats(random, plain.rows)),
        bias(uniform(random, 0, 1) == 0 ? std::vector<float>() : normal_floats(random, plain.rows)),
        indices(plain.packed, flush),
        codebook(plain.codebook, flush) {
    claim.bits = static_cast<int64_t>(bits);
    claim.weight_shape = shape;
    claim.indices = {true, ElementType::uint8, {as_size(plain.packed)}, indices.data()};
    claim.codebook = {
        true, ElementType::float32, {static_cast<int64_t>(groups), int64_t{1} << bits}, codebook.data()};
    claim.scale = {true, ElementType::float32, {as_size(scale)}, scale.data()};
    claim.bias = {true, ElementType::float32, {as_size(bias)}, bias.data()};
  }

  double scale_at(size_t row) const { return scale.empty() ? 1.0 : static_cast<double>(scale[row]); }
  double bias_at(size_t row) const { return bias.empty() ? 0.0 : static_cast<double>(bias[row]); }

 private:
  static size_t columns_of(const Shape& shape) {
    size_t columns = 1;
    for (size_t axis = 1; axis < shape.size(); ++axis) columns *= static_cast<size_t>(shape[axis]);
    return columns;
  }
  template <typename T>
  static int64_t as_size(const std::vector<T>& values) {
    return static_cast<int64_t>(values.size());
  }
};

// Runs CodebookMatMul's two ways for m rows of x; `many` chooses.
inline void check_matmul(Random& random, const RandomOperands& operands, Isa isa, size_t m, bool many,
                         Flush flush) {
  PackedWeight weight;
  const std::string error = check_packed_weight(operands.claim, &weight);
  if (!error.empty()) return expect(false, "a valid weight was refused: " + error);
  const size_t k = weight.rows.columns, n = weight.outputs;
  const std::vector<float> x = normal_floats(random, m * k);
  Guarded<float> guarded_x(x, flush), y(m * n, flush);
  y.fill(kNan);
  if (many) {
    multiply_panels(get_codebook_gemm(isa), weight, 1, m, MatMulPanels(guarded_x.data(), k),
                    {y.data(), m, 0, 1, n}, run_backwards);
  } else {
    multiply_vectors(get_codebook_gemv(isa, weight.rows.bits, k), weight, m, guarded_x.data(), y.data(),
                     run_backwards);
  }
  for (size_t p = 0; p < m; ++p) {
    for (size_t i = 0; i < n; ++i) {
      Reference reference;
      for (size_t j = 0; j < k; ++j) reference.add(x[p * k + j], operands.plain.at(i, j));
      reference.finish(operands.scale_at(i), operands.bias_at(i));
      expect(reference.allows(y.data()[p * n + i], k), std::string("matmul on ") + isa_name(isa) + ", " +
                                                           std::to_string(m) + " x " + as_text(weight.shape));
    }
  }
}

// One output of a convolution by its definition; x [batch, channels, height, width].
inline Reference convolve_at(const RandomOperands& operands, const Convolution& c,
                             const ConvolutionSizes& sizes, const float* x, size_t image, size_t output,
                             int64_t out_row, int64_t out_column) {
  Reference reference;
  const size_t group_channels = c.channels / c.groups;
  const size_t first_channel = output / (c.outputs / c.groups) * group_channels;
  size_t j = 0;
  for (size_t channel = 0; channel < group_channels; ++channel) {
    for (int64_t u = 0; u < c.kernel[0]; ++u) {
      for (int64_t v = 0; v < c.kernel[1]; ++v, ++j) {
        const int64_t row = out_row * c.strides[0] + u * c.dilations[0] - c.pads_begin[0];
        const int64_t column = out_column * c.strides[1] + v * c.dilations[1] - c.pads_begin[1];
        if (row < 0 || row >= sizes.input[0] || column < 0 || column >= sizes.input[1]) continue;
        const int64_t plane = static_cast<int64_t>(image * c.channels + first_channel + channel);
        reference.add(x[(plane * sizes.input[0] + row) * sizes.input[1] + column],
                      operands.plain.at(output, j));
      }
    }
  }
  reference.finish(operands.scale_at(output), operands.bias_at(output));
  return reference;
}

// `found` [batch, outputs, height, width] against the definition.
inline void expect_convolved(const RandomOperands& operands, const Convolution& convolution,
                             const ConvolutionSizes& sizes, const float* x, const float* found,
                             const std::string& what) {
  for (size_t image = 0; image < sizes.batch; ++image)
    for (size_t i = 0; i < convolution.outputs; ++i)
      for (int64_t row = 0; row < sizes.output[0]; ++row)
        for (int64_t column = 0; column < sizes.output[1]; ++column)
          expect(convolve_at(operands, convolution, sizes, x, image, i, row, column)
                     .allows(*found++, operands.plain.columns),
                 what);
}

// Runs CodebookConv's two ways; that of few outputs where it can.
inline void check_conv(Random& random, const RandomOperands& operands, const ConvolutionClaim& claim,
                       const Shape& x_shape, Isa isa, Flush flush) {
  PackedWeight weight;
  Convolution convolution;
  ConvolutionSizes sizes;
  std::string error = check_packed_weight(operands.claim, &weight);
  if (error.empty()) error = check_convolution(claim, weight.shape, &convolution);
  if (error.empty()) error = check_convolution_input(convolution, x_shape, &sizes);
  if (!error.empty()) return expect(false, "a valid convolution was refused: " + error);
  size_t x_size = 1, y_size = 1;
  for (int64_t size : x_shape) x_size *= static_cast<size_t>(size);
  for (int64_t size : sizes.y_shape) y_size *= static_cast<size_t>(size);
  Guarded<float> x(normal_floats(random, x_size), flush), y(y_size, flush);
  y.fill(kNan);
  const std::string what =
      std::string(" on ") + isa_name(isa) + ", " + as_text(x_shape) + " * " + as_text(weight.shape);
  const size_t positions = y_size / std::max<size_t>(1, sizes.batch) / weight.outputs;
  multiply_panels(get_codebook_gemm(isa), weight, convolution.groups, sizes.batch * positions,
                  ConvolutionPanels(x.data(), convolution, sizes),
                  {y.data(), positions, weight.outputs * positions, positions, 1}, run_backwards);
  expect_convolved(operands, convolution, sizes, x.data(), y.data(), "conv" + what);
  if (!is_depthwise(weight, convolution)) return;
  y.fill(kNan);
  convolve_depthwise(get_depthwise_kernels(isa), weight, convolution, sizes, x.data(), y.data(),
                     run_backwards);
  expect_convolved(operands, convolution, sizes, x.data(), y.data(), "depthwise conv" + what);
}

}  // namespace qc::test
