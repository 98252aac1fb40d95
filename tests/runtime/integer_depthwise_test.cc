// Depthwise convolutions of codes, bit for bit against sums of int64, with all operands between guard pages.
#include "compute/integer_depthwise.h"

#include <algorithm>
#include <cmath>

#include "integer_support.h"

using namespace qc;
using namespace qc::test;

namespace {

size_t checked = 0;

enum class Result { codes, with_residual, floats };

struct Case {
  size_t channels, multiplier, batch;
  std::array<int64_t, 2> kernel, input, strides, dilations, pads_begin, pads_end;
};

// A weight in the order of depthwise convolutions, plain and tiled.
struct RandomTiles {
  size_t bits, outputs, codebooks;
  std::vector<uint8_t> codes;   // [taps, outputs]
  std::vector<int8_t> entries;  // [codebooks, 2^bits]; empty: no codebook

  RandomTiles(Random& random, size_t bits_, size_t taps, size_t outputs_, size_t codebooks_)
      : bits(bits_), outputs(outputs_), codebooks(codebooks_), codes(taps * outputs_) {
    // Extremes are as frequent as all others together.
    const size_t most = (size_t{1} << bits) - 1;
    const size_t extreme = uniform(random, 0, 3);
    for (uint8_t& code : codes)
      code = static_cast<uint8_t>(extreme == 0 ? 0 : extreme == 1 ? most : uniform(random, 0, most));
    // Kernels tell weights up to 8, up to 64 and all others apart.
    constexpr int kLargest[] = {1, 8, 9, 64, 65, 127};
    const int largest = kLargest[uniform(random, 0, 5)];
    for (size_t i = 0; i < codebooks << bits; ++i) {
      const size_t kind = uniform(random, 0, 3);
      const int inner = static_cast<int>(uniform(random, 0, static_cast<size_t>(2 * largest))) - largest;
      entries.push_back(static_cast<int8_t>(kind == 0 ? largest : kind == 1 ? -largest : inner));
    }
    if (largest == 127 && !entries.empty()) entries.front() = -128;
  }

  int64_t at(size_t tap, size_t output) const {
    const size_t code = codes[tap * outputs + output];
    if (codebooks == 0) return static_cast<int64_t>(code) - (int64_t{1} << (bits - 1));
    return entries[(output / (outputs / codebooks) << bits) + code];
  }
};

Convolution convolution_of(const Case& c) {
  return {2,           c.channels,   c.channels * c.multiplier,
          c.channels,  c.kernel,     c.strides,
          c.dilations, c.pads_begin, c.pads_end};
}

ConvolutionSizes sizes_of(const Case& c) {
  ConvolutionSizes sizes = {c.batch, c.input, {}, {}};
  for (size_t axis = 0; axis < 2; ++axis) {
    const int64_t reach = (c.kernel[axis] - 1) * c.dilations[axis] + 1;
    sizes.output[axis] =
        (c.input[axis] + c.pads_begin[axis] + c.pads_end[axis] - reach) / c.strides[axis] + 1;
  }
  return sizes;
}

// The sum of one output by its definition: beyond the edge x is the zero point.
int64_t sum_of(const Case& c, const RandomTiles& weight, const std::vector<uint8_t>& x, int64_t zero_point,
               size_t image, int64_t row, int64_t column, size_t output) {
  int64_t sum = 0;
  for (int64_t u = 0; u < c.kernel[0]; ++u)
    for (int64_t v = 0; v < c.kernel[1]; ++v) {
      const int64_t i = row * c.strides[0] + u * c.dilations[0] - c.pads_begin[0],
                    j = column * c.strides[1] + v * c.dilations[1] - c.pads_begin[1];
      if (i < 0 || i >= c.input[0] || j < 0 || j >= c.input[1]) continue;
      const int64_t position = (static_cast<int64_t>(image) * c.input[0] + i) * c.input[1] + j;
      const size_t place = static_cast<size_t>(position) * c.channels + output / c.multiplier;
      sum += (x[place] - zero_point) * weight.at(static_cast<size_t>(u * c.kernel[1] + v), output);
    }
  return sum;
}

struct Floats {
  std::vector<float> scale, bias;
  float residual_scale;
  CodeRange range;

  Floats(Random& random, size_t outputs)
      : scale(normal_floats(random, outputs)), bias(normal_floats(random, outputs)) {
    // Some results leave the range of int32.
    const float factor = uniform(random, 0, 3) == 0 ? 1e30f : 0.05f;
    for (float& value : scale) value *= factor;
    for (float& value : bias) value = value * 40 + 100;
    residual_scale = normal_floats(random, 1)[0];
    range.least = static_cast<uint8_t>(uniform(random, 0, 60));
    range.most = static_cast<uint8_t>(uniform(random, 60, 255));
  }
};

void check(Random& random, const Case& c, Isa isa, size_t bits, size_t codebooks, Result kind, Flush flush) {
  const Convolution convolution = convolution_of(c);
  const ConvolutionSizes sizes = sizes_of(c);
  const size_t outputs = convolution.outputs, taps = static_cast<size_t>(c.kernel[0] * c.kernel[1]);
  const auto positions = static_cast<size_t>(sizes.output[0] * sizes.output[1]);
  const RandomTiles weight(random, bits, taps, outputs, codebooks);
  const Floats floats(random, outputs);
  constexpr uint8_t kZeroPoints[] = {0, 1, 128, 255};
  const uint8_t zero_point = kZeroPoints[uniform(random, 0, 3)];
  std::vector<uint8_t> x =
      random_codes(random, c.batch * static_cast<size_t>(c.input[0] * c.input[1]) * c.channels);
  if (uniform(random, 0, 3) == 0) std::fill(x.begin(), x.end(), uint8_t{255});  // the largest sums
  const std::vector<uint8_t> residual = random_codes(random, c.batch * positions * outputs);
  Guarded<uint8_t> tiles(pack_tiles(weight.codes, bits), flush), guarded_x(x, flush), r(residual, flush),
      codes(residual.size(), flush);
  Guarded<int8_t> entries(weight.entries, flush);
  Guarded<float> scale(floats.scale, flush), bias(floats.bias, flush),
      values(kind == Result::floats ? residual.size() : 0, flush);
  values.fill(kNan);
  const TiledWeight tiled = {tiles.data(), tiles.size() / (32 * bits), bits,
                             codebooks == 0 ? nullptr : entries.data(),
                             codebooks == 0 ? outputs : outputs / codebooks};
  const IntegerDepthwiseOutput output = {scale.data(),
                                         bias.data(),
                                         kind == Result::with_residual ? r.data() : nullptr,
                                         floats.residual_scale,
                                         floats.range.least,
                                         floats.range.most,
                                         kind == Result::floats ? nullptr : codes.data(),
                                         kind == Result::floats ? values.data() : nullptr};
  convolve_integer_depthwise(get_integer_depthwise_kernels(isa), tiled, convolution, sizes, zero_point,
                             guarded_x.data(), output, run_tasks_backwards);
  const std::string described =
      std::string(isa_name(isa)) + ", " + std::to_string(bits) + " bits, " + std::to_string(codebooks) +
      " codebooks, kernel " + std::to_string(c.kernel[0]) + " x " + std::to_string(c.kernel[1]) +
      ", stride " + std::to_string(c.strides[1]) + ", channels " + std::to_string(c.channels);
  for (size_t place = 0; place < residual.size(); ++place) {
    const size_t i = place % outputs, position = place / outputs;
    const auto row = static_cast<int64_t>(position % positions) / sizes.output[1],
               column = static_cast<int64_t>(position % positions) % sizes.output[1];
    const int64_t sum = sum_of(c, weight, x, zero_point, position / positions, row, column, i);
    float v = static_cast<float>(sum) * floats.scale[i] + floats.bias[i];
    if (kind == Result::floats) {
      expect(values.data()[place] == v, described + ", a float");
      continue;
    }
    if (kind == Result::with_residual) v = v + static_cast<float>(residual[place]) * floats.residual_scale;
    expect(codes.data()[place] == plain_code(v, floats.range), described + ", a code");
  }
  ++checked;
}

const Case kCases[] = {
    {64, 1, 1, {3, 3}, {6, 7}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {96, 1, 2, {3, 3}, {9, 8}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
    {144, 1, 1, {3, 3}, {5, 14}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {67, 1, 2, {5, 5}, {7, 7}, {1, 1}, {1, 1}, {2, 2}, {2, 2}},
    {80, 1, 1, {5, 5}, {11, 10}, {2, 2}, {1, 1}, {2, 1}, {1, 2}},
    {17, 1, 1, {3, 3}, {40, 41}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {2, 1, 3, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {130, 1, 1, {3, 3}, {3, 3}, {2, 1}, {1, 1}, {0, 1}, {1, 0}},
    {33, 1, 1, {7, 7}, {9, 9}, {1, 1}, {1, 1}, {3, 3}, {3, 3}},
    {40, 1, 1, {3, 2}, {8, 9}, {1, 2}, {2, 3}, {2, 1}, {0, 3}},
    {70, 1, 1, {3, 3}, {8, 9}, {2, 2}, {2, 2}, {2, 2}, {2, 2}},
    {5, 3, 1, {3, 3}, {6, 5}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {8, 2, 2, {1, 5}, {1, 30}, {1, 3}, {1, 2}, {0, 4}, {0, 4}},
    {65, 1, 1, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {6, 5}, {5, 6}},         // mostly pads
    {6, 1, 1, {2, 2}, {3, 3}, {900, 1}, {900, 1}, {999, 2}, {999, 2}},  // the taps of an output together
    {3, 1, 1, {1, 3000}, {1, 3100}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},    // a table that is no stack's
    {4, 1, 1, {3, 3}, {3, 1500}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},       // parts of a row
    {66, 1, 0, {3, 3}, {4, 4}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},         // no images
};

void check_cases(Random& random, Isa isa) {
  for (const Case& c : kCases)
    for (size_t bits = 1; bits <= 8; ++bits) {
      const size_t outputs = c.channels * c.multiplier;
      for (size_t codebooks : {size_t{0}, size_t{1}, outputs})
        check(random, c, isa, bits, codebooks, static_cast<Result>(uniform(random, 0, 2)),
              static_cast<Flush>(uniform(random, 0, 1)));
    }
}

void check_random(Random& random, Isa isa) {
  for (int i = 0; i < 300; ++i) {
    const auto pick = [&](size_t low, size_t high) {
      return static_cast<int64_t>(uniform(random, low, high));
    };
    Case c = {uniform(random, 2, 200), 1, 1, {}, {}, {}, {}, {}, {}};
    const bool square = uniform(random, 0, 2) != 0;
    for (size_t axis = 0; axis < 2; ++axis) {
      c.kernel[axis] = square ? 3 + 2 * (i % 2) : pick(1, 6);
      c.strides[axis] = pick(1, 3);
      c.dilations[axis] = square ? 1 : pick(1, 3);
      c.pads_begin[axis] = pick(0, 3);
      c.pads_end[axis] = pick(0, 3);
      c.input[axis] = (c.kernel[axis] - 1) * c.dilations[axis] + pick(1, 9);
    }
    check(random, c, isa, uniform(random, 1, 8), uniform(random, 0, 1),
          static_cast<Result>(uniform(random, 0, 2)), static_cast<Flush>(uniform(random, 0, 1)));
  }
}

}  // namespace

int main() {
  for (Isa isa : available_isas()) {
    Random random(17);
    check_cases(random, isa);
    check_random(random, isa);
  }
  return result(checked);
}
