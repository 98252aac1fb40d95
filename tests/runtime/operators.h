// Whole operations on random operands, against float64: for the tests of shapes and for the mutation test.
#pragma once

#include <algorithm>
#include <memory>

#include "base/convolution.h"
#include "base/packed_weight.h"
#include "compute/depthwise.h"
#include "compute/float_kernels.h"
#include "compute/multiply.h"
#include "compute/sparse.h"
#include "support.h"

namespace qc::test {

// Tasks in reverse order: none may rely on an earlier one.
inline void run_backwards(size_t count, const Task& task) {
  for (size_t i = count; i-- > 0;) task(i);
}

// What is done to x and the codebook.
enum class Precision { plain, bfloat16 };

inline FloatKernels kernels_of(Precision precision, Isa isa, const PackedWeight& weight) {
  return precision == Precision::plain ? get_float_kernels(isa, weight.rows)
                                       : get_bfloat16_kernels(isa, weight.rows);
}

inline std::vector<float> as_read(Precision precision, std::vector<float> x) {
  if (precision == Precision::bfloat16)
    for (float& v : x) v = nearest_bfloat16(v);
  return x;
}

// A weight with scale and bias, packed, its operands between guard pages.
struct RandomOperands {
  Precision precision;
  RandomWeight plain;
  std::vector<float> scale, bias;
  Guarded<uint8_t> indices;
  Guarded<float> codebook;
  WeightClaim claim;

  RandomOperands(Random& random, const Shape& shape, size_t bits, size_t groups, Flush flush,
                 Precision precision_ = Precision::plain)
      : precision(precision_),
        plain(random_weight(random, shape, bits, groups, precision_)),
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
  static RandomWeight random_weight(Random& random, const Shape& shape, size_t bits, size_t groups,
                                    Precision precision) {
    RandomWeight weight(random, static_cast<size_t>(shape[0]), columns_of(shape), bits, groups);
    return precision == Precision::plain ? weight : weight.round_codebook();
  }
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
  const FloatKernels kernels = kernels_of(operands.precision, isa, weight);
  const std::vector<float> read = as_read(operands.precision, x);
  if (many) {
    multiply_panels(kernels.many_rows, weight, 1, m, MatMulPanels(guarded_x.data(), k),
                    {y.data(), m, 0, 1, n}, run_backwards);
  } else {
    multiply_vectors(kernels.few_rows, weight, m, guarded_x.data(), y.data(), run_backwards);
  }
  for (size_t p = 0; p < m; ++p) {
    for (size_t i = 0; i < n; ++i) {
      Reference reference;
      for (size_t j = 0; j < k; ++j) reference.add(read[p * k + j], operands.plain.at(i, j));
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
  const std::vector<float> values = normal_floats(random, x_size), read = as_read(operands.precision, values);
  const FloatKernels kernels = kernels_of(operands.precision, isa, weight);
  Guarded<float> x(values, flush), y(y_size, flush);
  y.fill(kNan);
  const std::string what =
      std::string(" on ") + isa_name(isa) + ", " + as_text(x_shape) + " * " + as_text(weight.shape);
  const size_t positions = y_size / std::max<size_t>(1, sizes.batch) / weight.outputs;
  multiply_panels(kernels.many_rows, weight, convolution.groups, sizes.batch * positions,
                  ConvolutionPanels(x.data(), convolution, sizes),
                  {y.data(), positions, weight.outputs * positions, positions, 1}, run_backwards);
  expect_convolved(operands, convolution, sizes, read.data(), y.data(), "conv" + what);
  if (!is_depthwise(weight, convolution)) return;
  y.fill(kNan);
  convolve_depthwise(kernels.depthwise, weight, convolution, sizes, x.data(), y.data(), run_backwards);
  expect_convolved(operands, convolution, sizes, read.data(), y.data(), "depthwise conv" + what);
}

// Corrections of a weight, zero elsewhere, their operands between guard pages.
struct RandomCorrections {
  std::vector<float> weight, values;
  std::vector<uint16_t> gaps;
  Guarded<uint16_t> guarded_gaps;
  Guarded<float> guarded_values;
  CorrectionsClaim claim;

  // One weight of `spacing` is corrected, on average.
  RandomCorrections(Random& random, const Shape& shape, size_t spacing, Flush flush)
      : RandomCorrections(random_weight(random, shape, spacing), shape, flush) {}

  double at(size_t row, size_t column) const { return weight[row * columns + column]; }

  size_t columns;

 private:
  RandomCorrections(std::vector<float> weight_, const Shape& shape, Flush flush)
      : weight(std::move(weight_)),
        values(values_of(weight)),
        gaps(gaps_of(weight)),
        guarded_gaps(gaps, flush),
        guarded_values(values, flush),
        columns(weight.size() / static_cast<size_t>(shape[0])) {
    const auto count = static_cast<int64_t>(gaps.size());
    claim.weight_shape = shape;
    claim.gaps = {true, ElementType::uint16, {count}, guarded_gaps.data()};
    claim.values = {true, ElementType::float32, {count}, guarded_values.data()};
  }
  static std::vector<float> random_weight(Random& random, const Shape& shape, size_t spacing) {
    size_t size = 1;
    for (int64_t axis : shape) size *= static_cast<size_t>(axis);
    std::vector<float> weight = normal_floats(random, size);
    for (float& value : weight)
      if (uniform(random, 1, spacing) != 1) value = 0;
    return weight;
  }
  static std::vector<float> values_of(const std::vector<float>& weight) {
    std::vector<float> values;
    for (float value : weight)
      if (value != 0) values.push_back(value);
    return values;
  }
  static std::vector<uint16_t> gaps_of(const std::vector<float>& weight) {
    std::vector<uint16_t> gaps;
    uint16_t gap = 0;  // the tests' weights are smaller than 2^16
    for (float value : weight) {
      if (value == 0) {
        ++gap;
        continue;
      }
      gaps.push_back(gap);
      gap = 0;
    }
    return gaps;
  }
};

// Runs SparseMatMul for m rows of x.
inline void check_sparse_matmul(Random& random, const RandomCorrections& operands, Isa isa, size_t m,
                                Flush flush) {
  Corrections corrections;
  const std::string error = check_corrections(operands.claim, &corrections);
  if (!error.empty()) return expect(false, "valid corrections were refused: " + error);
  const size_t k = corrections.columns, n = corrections.outputs;
  const std::vector<float> x = normal_floats(random, m * k), base = normal_floats(random, m * n);
  Guarded<float> guarded_x(x, flush), guarded_base(base, flush), y(m * n, flush);
  y.fill(kNan);
  add_sparse_product(get_add_elements(isa), corrections, m, guarded_x.data(), guarded_base.data(), y.data(),
                     run_backwards);
  for (size_t p = 0; p < m; ++p) {
    for (size_t i = 0; i < n; ++i) {
      Reference reference;
      for (size_t j = 0; j < k; ++j) reference.add(x[p * k + j], operands.at(i, j));
      reference.finish(1, base[p * n + i]);
      expect(reference.allows(y.data()[p * n + i], k),
             std::string("sparse matmul on ") + isa_name(isa) + ", " + as_text(corrections.shape));
    }
  }
}

// One correction's part of a convolution by its definition: x at the place that kernel element (u, v) meets.
inline double element_at(const Convolution& c, const ConvolutionSizes& sizes, const float* x, size_t plane,
                         int64_t out_row, int64_t out_column, int64_t u, int64_t v) {
  const int64_t row = out_row * c.strides[0] + u * c.dilations[0] - c.pads_begin[0];
  const int64_t column = out_column * c.strides[1] + v * c.dilations[1] - c.pads_begin[1];
  if (row < 0 || row >= sizes.input[0] || column < 0 || column >= sizes.input[1]) return 0;
  return x[(static_cast<int64_t>(plane) * sizes.input[0] + row) * sizes.input[1] + column];
}

// Runs SparseConv.
inline void check_sparse_conv(Random& random, const RandomCorrections& operands,
                              const ConvolutionClaim& claim, const Shape& x_shape, Isa isa, Flush flush) {
  Corrections corrections;
  Convolution c;
  ConvolutionSizes sizes;
  std::string error = check_corrections(operands.claim, &corrections);
  if (error.empty()) error = check_convolution(claim, corrections.shape, &c);
  if (error.empty()) error = check_convolution_input(c, x_shape, &sizes);
  if (!error.empty()) return expect(false, "a valid convolution was refused: " + error);
  size_t x_size = 1, y_size = 1;
  for (int64_t size : x_shape) x_size *= static_cast<size_t>(size);
  for (int64_t size : sizes.y_shape) y_size *= static_cast<size_t>(size);
  Guarded<float> x(normal_floats(random, x_size), flush), base(normal_floats(random, y_size), flush),
      y(y_size, flush);
  y.fill(kNan);
  add_sparse_convolution(get_add_scaled(isa), corrections, c, sizes, x.data(), base.data(), y.data(),
                         run_backwards);
  const size_t group_channels = c.channels / c.groups, group_outputs = c.outputs / c.groups;
  const auto width = static_cast<size_t>(c.kernel[1]), taps = width * static_cast<size_t>(c.kernel[0]);
  for (size_t position = 0; position < y_size; ++position) {
    const auto plane_size = static_cast<size_t>(sizes.output[0] * sizes.output[1]);
    const size_t plane = position / plane_size, image = plane / c.outputs, output = plane % c.outputs;
    const auto in_plane = static_cast<int64_t>(position % plane_size);
    Reference reference;
    for (size_t j = 0; j < corrections.columns; ++j) {
      const size_t channel = image * c.channels + output / group_outputs * group_channels + j / taps;
      const auto u = static_cast<int64_t>(j % taps / width), v = static_cast<int64_t>(j % width);
      reference.add(element_at(c, sizes, x.data(), channel, in_plane / sizes.output[1],
                               in_plane % sizes.output[1], u, v),
                    operands.at(output, j));
    }
    reference.finish(1, base.data()[position]);
    expect(reference.allows(y.data()[position], corrections.columns),
           std::string("sparse conv on ") + isa_name(isa) + ", " + as_text(x_shape) + " * " +
               as_text(corrections.shape));
  }
}

}  // namespace qc::test
