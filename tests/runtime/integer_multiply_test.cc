// Whole integer products and convolutions on every instruction set of this machine, against their definition,
// bit for bit; x, y and the weight lie between guard pages.
#include "compute/integer_multiply.h"

#include "base/integer_weight.h"
#include "compute/integer_depthwise.h"
#include "compute/integer_dynamic.h"
#include "kernels/decode/tiles_scalar.h"
#include "kernels/integer_gemm/scalar.h"
#include "operators.h"

using namespace qc;
using namespace qc::test;

namespace {

constexpr int kConvolutions = 400, kProducts = 150, kDynamicProducts = 150;  // of each instruction set
size_t checked = 0;

size_t product_of(const Shape& shape) {
  size_t product = 1;
  for (int64_t size : shape) product *= static_cast<size_t>(size);
  return product;
}

std::vector<uint8_t> random_codes(Random& random, size_t count) {
  std::vector<uint8_t> codes(count);
  for (uint8_t& code : codes) code = static_cast<uint8_t>(uniform(random, 0, 255));
  return codes;
}

// A weight of any bytes: whatever they are, they are codes.
struct RandomIntegerWeight {
  std::vector<float> scale, bias;
  Guarded<uint8_t> tiles, codebook;
  IntegerWeight weight;

  RandomIntegerWeight(Random& random, const Shape& shape, size_t groups, Flush flush)
      : scale(normal_floats(random, static_cast<size_t>(shape[0]))),
        bias(normal_floats(random, static_cast<size_t>(shape[0]))),
        tiles(random_codes(random, count_tiles(shape, groups) * kTileCodes), flush),
        codebook(random_codes(random, uniform(random, 0, 2) << 8), flush) {
    for (float& value : scale) value *= 0.01f;
    IntegerWeightClaim claim;
    const size_t bits = uniform(random, 1, 8);
    const size_t bytes = count_tiles(shape, groups) * 32 * bits;
    const auto rows = shape[0] % 2 == 0 ? static_cast<int64_t>(codebook.size() >> 8) : codebook.size() > 0;
    claim.bits = static_cast<int64_t>(bits);
    claim.x_zero_point = static_cast<int64_t>(uniform(random, 0, 3) == 0 ? 0 : uniform(random, 0, 255));
    claim.weight_shape = shape;
    claim.indices = {true, ElementType::uint8, {static_cast<int64_t>(bytes)}, end_of(tiles, bytes, flush)};
    claim.codebook = {true, ElementType::int8, rows == 0 ? Shape{0} : Shape{rows, int64_t{1} << bits},
                      end_of(codebook, static_cast<size_t>(rows) << bits, flush)};
    claim.scale = {true, ElementType::float32, {shape[0]}, scale.data()};
    claim.bias = {true, ElementType::float32, {shape[0]}, bias.data()};
    std::string error = check_integer_attributes(claim);
    if (error.empty()) error = check_integer_weight(claim, groups, &weight);
    expect(error.empty(), "a valid weight was refused: " + error);
  }

  // Column j counts through [kernel..., channels / group].
  int8_t at(size_t output, size_t j) const {
    if (weight.is_depthwise) return integer_weight_at(weight.tiles, j * weight.outputs + output, output);
    const size_t group_outputs = weight.outputs / weight.groups;
    const size_t vectors = (group_outputs + 15) / 16, tiles_of_vector = (weight.columns + 15) / 16;
    const size_t in_group = output % group_outputs;
    const size_t vector = output / group_outputs * vectors + in_group / 16;
    const size_t code =
        (vector * tiles_of_vector + j / 16) * kTileCodes + j % 16 / 4 * 64 + in_group % 16 * 4 + j % 4;
    return integer_weight_at(weight.tiles, code, output);
  }

 private:
  static size_t count_tiles(const Shape& shape, size_t groups) {
    const auto outputs = static_cast<size_t>(shape[0]);
    const size_t columns = product_of(shape) / outputs;
    if (groups > 1 && shape[1] == 1) return (outputs * columns + 255) / 256;
    return groups * ((outputs / groups + 15) / 16) * ((columns + 15) / 16);
  }
  static const uint8_t* end_of(Guarded<uint8_t>& bytes, size_t count, Flush flush) {
    return flush == Flush::low ? bytes.data() : bytes.data() + bytes.size() - count;
  }
};

// y of one call, and the bytes that it should be.
struct RandomOutput {
  size_t size;
  bool is_float;
  Guarded<uint8_t> residual, found, wanted;
  IntegerOutput output;

  RandomOutput(Random& random, size_t size_, Flush flush)
      : size(size_),
        is_float(uniform(random, 0, 3) == 0),
        residual(random_codes(random, size), flush),
        found(size * (is_float ? 4 : 1), flush),
        wanted(found.size(), flush) {
    const bool adds = uniform(random, 0, 2) == 0;
    output = {found.data(), is_float, adds ? residual.data() : nullptr, 0.25f, {3, 250}};
    found.fill(0xA5);
  }
  IntegerResults expected(const RandomIntegerWeight& operands) {
    return {wanted.data(),           is_float,          operands.weight.outputs,
            operands.weight.outputs, nullptr,           operands.scale.data(),
            operands.bias.data(),    output.residual,   output.residual_scale,
            output.range.least,      output.range.most, false};
  }
  void compare(const std::string& what) {
    expect(std::memcmp(found.data(), wanted.data(), found.size()) == 0, what);
    ++checked;
  }
};

int32_t sum_at(const RandomIntegerWeight& operands, const Convolution& c, const ConvolutionSizes& sizes,
               const uint8_t* image, size_t output, int64_t out_row, int64_t out_column) {
  const size_t channels = c.channels / c.groups;
  const size_t first_channel = output / (c.outputs / c.groups) * channels;
  int32_t sum = 0;
  for (size_t j = 0; j < operands.weight.columns; ++j) {
    const auto place = static_cast<int64_t>(j / channels);
    const int64_t row = out_row * c.strides[0] + place / c.kernel[1] * c.dilations[0] - c.pads_begin[0];
    const int64_t column = out_column * c.strides[1] + place % c.kernel[1] * c.dilations[1] - c.pads_begin[1];
    if (row < 0 || row >= sizes.input[0] || column < 0 || column >= sizes.input[1]) continue;
    const auto pixel = static_cast<size_t>(row * sizes.input[1] + column);
    const int x = image[pixel * c.channels + first_channel + j % channels];
    sum += (x - operands.weight.x_zero_point) * operands.at(output, j);
  }
  return sum;
}

void check_convolution_of(Random& random, Isa isa, const Shape& weight_shape, const Shape& x_shape,
                          const ConvolutionClaim& claim, Flush flush) {
  Convolution c;
  ConvolutionSizes sizes;
  expect(check_convolution(claim, weight_shape, &c).empty(), "a valid convolution was refused");
  if (!check_convolution_input(c, x_shape, &sizes, Layout::channels_last).empty()) return;
  const RandomIntegerWeight operands(random, weight_shape, c.groups, flush);
  Guarded<uint8_t> x(random_codes(random, product_of(x_shape)), flush);
  RandomOutput y(random, product_of(sizes.y_shape), flush);
  const IntegerLayer layer = make_integer_layer(operands.weight, isa);
  if (operands.weight.is_depthwise) {
    const IntegerOutput& o = y.output;
    const IntegerDepthwiseOutput output = {layer.weight.scale,
                                           layer.weight.bias,
                                           o.residual,
                                           o.residual_scale,
                                           o.range.least,
                                           o.range.most,
                                           o.is_float ? nullptr : static_cast<uint8_t*>(o.y),
                                           o.is_float ? static_cast<float*>(o.y) : nullptr};
    convolve_integer_depthwise(get_integer_depthwise_kernels(isa), layer.weight.tiles, c, sizes,
                               layer.weight.x_zero_point, x.data(), output, run_backwards);
  } else {
    multiply_integers(layer, geometry_of(c, sizes), x.data(), y.output, run_backwards);
  }
  const IntegerResults results = y.expected(operands);
  const auto rows = static_cast<size_t>(sizes.output[0]), columns = static_cast<size_t>(sizes.output[1]);
  const size_t image_bytes = x.size() / std::max<size_t>(1, sizes.batch);
  for (size_t p = 0; p < sizes.batch * rows * columns; ++p)
    for (size_t i = 0; i < c.outputs; ++i)
      store_result(results, p, i,
                   sum_at(operands, c, sizes, x.data() + p / (rows * columns) * image_bytes, i,
                          static_cast<int64_t>(p / columns % rows), static_cast<int64_t>(p % columns)));
  y.compare(std::string("convolution on ") + isa_name(isa) + ", " + as_text(x_shape) + " * " +
            as_text(weight_shape));
}

int64_t small(Random& random, size_t low, size_t high) {
  return static_cast<int64_t>(uniform(random, low, high));
}

void check_random_convolution(Random& random, Isa isa) {
  const size_t axes = uniform(random, 1, 2);
  const int64_t group = uniform(random, 0, 2) == 0 ? small(random, 2, 4) : 1;
  const int64_t channels = uniform(random, 0, 1) == 0 ? 4 * small(random, 1, 5) : small(random, 1, 9);
  Shape weight = {group * small(random, 1, 70), channels}, x = {small(random, 0, 3)};
  ConvolutionClaim claim = {Shape(), Shape(), Shape(), group};
  const bool is_padded = uniform(random, 0, 2) > 0, is_dilated = uniform(random, 0, 3) == 0;
  for (size_t axis = 0; axis < axes; ++axis) {
    weight.push_back(small(random, 1, 4));
    x.push_back(small(random, 1, 20));
    claim.strides->push_back(uniform(random, 0, 1) == 0 ? 1 : small(random, 1, 5));
    claim.dilations->push_back(is_dilated ? small(random, 1, 3) : 1);
  }
  x.push_back(group * channels);
  for (size_t i = 0; i < 2 * axes; ++i) claim.pads->push_back(is_padded ? small(random, 0, 4) : 0);
  check_convolution_of(random, isa, weight, x, claim, uniform(random, 0, 1) == 0 ? Flush::low : Flush::high);
}

void check_large_convolutions(Random& random, Isa isa) {
  const ConvolutionClaim same = {Shape{1, 1}, Shape{1, 1, 1, 1}, Shape{1, 1}, 1};
  for (Flush flush : {Flush::low, Flush::high}) {
    check_convolution_of(random, isa, {5, 3, 3, 3}, {1, 40, 1100, 3}, same, flush);   // many bands of a row
    check_convolution_of(random, isa, {4, 500, 3, 3}, {2, 9, 70, 500}, same, flush);  // columns are cut
    check_convolution_of(random, isa, {3, 1, 9}, {1, 120000, 1}, {Shape{7}, Shape{4, 4}, Shape{1}, 1}, flush);
    check_convolution_of(random, isa, {2, 2, 2, 2}, {1, 3, 3, 2},
                         {Shape{900, 1}, Shape{999, 2, 999, 2}, Shape{900, 1}, 1}, flush);  // far away
  }
}

void check_random_product(Random& random, Isa isa) {
  const size_t m = uniform(random, 0, 3) == 0 ? uniform(random, 1, 2000) : uniform(random, 1, 20);
  const size_t n = uniform(random, 1, m > 100 ? 40 : 150), k = uniform(random, 1, m > 100 ? 70 : 300);
  const Flush flush = uniform(random, 0, 1) == 0 ? Flush::low : Flush::high;
  const RandomIntegerWeight operands(random, {static_cast<int64_t>(n), static_cast<int64_t>(k)}, 1, flush);
  Guarded<uint8_t> x(random_codes(random, m * k), flush);
  RandomOutput y(random, m * n, flush);
  multiply_integers(make_integer_layer(operands.weight, isa), geometry_of_product(m, k), x.data(), y.output,
                    run_backwards);
  const IntegerResults results = y.expected(operands);
  for (size_t i = 0; i < n; ++i) {
    std::vector<int32_t> weights(k);
    for (size_t j = 0; j < k; ++j) weights[j] = operands.at(i, j);
    for (size_t p = 0; p < m; ++p) {
      int32_t sum = 0;
      for (size_t j = 0; j < k; ++j) sum += (x.data()[p * k + j] - operands.weight.x_zero_point) * weights[j];
      store_result(results, p, i, sum);
    }
  }
  y.compare(std::string("product on ") + isa_name(isa) + ", " + std::to_string(m) + " x " +
            as_text(operands.weight.shape));
}

// Rows of floats, some of zeros and some not finite.
std::vector<float> random_rows(Random& random, size_t m, size_t k) {
  std::vector<float> x = normal_floats(random, m * k);
  for (size_t p = 0; p < m; ++p) {
    const size_t kind = uniform(random, 0, 9);
    for (size_t j = 0; j < k && kind == 0; ++j) x[p * k + j] = 0;
    if (kind == 1) x[p * k + uniform(random, 0, k - 1)] = kNan;
  }
  return x;
}

void check_random_dynamic_product(Random& random, Isa isa) {
  const size_t m = uniform(random, 0, 3) == 0 ? uniform(random, 1, 700) : uniform(random, 1, 20);
  const size_t n = uniform(random, 1, m > 100 ? 40 : 150), k = uniform(random, 1, m > 100 ? 70 : 300);
  const Flush flush = uniform(random, 0, 1) == 0 ? Flush::low : Flush::high;
  const RandomIntegerWeight operands(random, {static_cast<int64_t>(n), static_cast<int64_t>(k)}, 1, flush);
  Guarded<float> x(random_rows(random, m, k), flush), y(m * n, flush);
  multiply_dynamically(make_dynamic_layer(operands.weight, isa), m, x.data(), y.data(), run_backwards);
  std::vector<uint8_t> codes(m * bytes_of_codes(k));
  std::vector<CodedRow> rows(m);
  quantize_rows_scalar({m, k, 255}, x.data(), codes.data(), rows.data());
  std::vector<float> wanted(m * n);
  for (size_t i = 0; i < n; ++i) {
    std::vector<int32_t> weights(k);
    for (size_t j = 0; j < k; ++j) weights[j] = operands.at(i, j);
    for (size_t p = 0; p < m; ++p) {
      int32_t sum = 0;
      for (size_t j = 0; j < k; ++j)
        sum += (codes[p * bytes_of_codes(k) + j] - rows[p].zero_point) * weights[j];
      const float scale = rows[p].step * operands.scale[i], scaled = static_cast<float>(sum) * scale;
      wanted[p * n + i] = scaled + operands.bias[i];
    }
  }
  expect(std::memcmp(y.data(), wanted.data(), wanted.size() * sizeof(float)) == 0,
         std::string("dynamic product on ") + isa_name(isa) + ", " + std::to_string(m) + " x " +
             as_text(operands.weight.shape));
  ++checked;
}

}  // namespace

int main() {
  for (Isa isa : available_isas()) {
    Random random(20240701);
    for (int i = 0; i < kConvolutions; ++i) check_random_convolution(random, isa);
    for (int i = 0; i < kProducts; ++i) check_random_product(random, isa);
    for (int i = 0; i < kDynamicProducts; ++i) check_random_dynamic_product(random, isa);
    check_large_convolutions(random, isa);
  }
  return result(checked);
}
