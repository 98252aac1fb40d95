// Exact integer Winograd: its transforms against their definition, whole convolutions against the direct
// kernels, bit for bit, on every instruction set of this machine; operands lie between guard pages.
#include "compute/integer_winograd.h"

#include <thread>

#include "compute/integer_multiply.h"
#include "winograd_support.h"

using namespace qc;
using namespace qc::test;

namespace {

constexpr int kTransforms = 60, kConvolutions = 500, kAnyCodes = 60;  // of each instruction set
size_t checked = 0;

Flush any_flush(Random& random) { return uniform(random, 0, 1) == 0 ? Flush::low : Flush::high; }

void check_definition(Random& random) {
  int64_t g[9], d[16];
  for (int64_t& weight : g) weight = static_cast<int64_t>(uniform(random, 0, 15)) - 8;
  for (int64_t& code : d) code = static_cast<int64_t>(uniform(random, 0, 63));
  for (size_t ab = 0; ab < 4; ++ab) {
    int64_t direct = 0, sum = 0;
    for (size_t k = 0; k < 9; ++k) direct += g[k] * d[(ab / 2 + k / 3) * 4 + ab % 2 + k % 3];
    for (size_t p = 0; p < 16; ++p)
      sum += kA[ab / 2][p / 4] * kA[ab % 2][p % 4] * transformed(kG, g, p) * transformed(kB, d, p);
    expect(sum == 4 * direct, "the definition is not the convolution");
  }
  ++checked;
}

void check_weights(Random& random, Isa isa) {
  const size_t quads = uniform(random, 1, 20), taps = 64 * (quads + uniform(random, 0, 2));
  const WinogradPanel layout = {quads, taps, 64 * uniform(random, 1, 4), 64 * 4 * 21};
  const std::vector<uint8_t> bytes = random_codes(random, 8 * taps + quads * 64);
  Guarded<uint8_t> panel(bytes, Flush::high);
  Guarded<int8_t> found(15 * layout.position_stride + (quads - 1) * layout.quad_stride + 64, Flush::high);
  get_integer_winograd(isa).transform_weights(reinterpret_cast<int8_t*>(panel.data()), layout, found.data());
  for (size_t i = 0; i < quads * 64; ++i) {
    int64_t g[9];
    for (size_t k = 0; k < 9; ++k) g[k] = static_cast<int8_t>(bytes[k * taps + i]);
    for (size_t p = 0; p < 16; ++p)
      expect(found.data()[p * layout.position_stride + i / 64 * layout.quad_stride + i % 64] ==
                 static_cast<int8_t>(transformed(kG, g, p)),
             std::string("weights on ") + isa_name(isa));
  }
  ++checked;
}

void check_input(Random& random, Isa isa) {
  const size_t channels = 4 * uniform(random, 1, 50), stride = channels + uniform(random, 0, 9);
  const auto offset = static_cast<uint8_t>(uniform(random, 0, 255));
  Guarded<uint8_t> x(random_codes(random, 16 * channels), any_flush(random));
  Guarded<uint8_t> found(15 * stride + channels, any_flush(random));
  found.fill(0xA5);
  const uint8_t* pixels[16];
  for (size_t k = 0; k < 16; ++k) pixels[k] = x.data() + (15 - k) * channels;
  get_integer_winograd(isa).transform_input(pixels, channels, offset, found.data(), stride);
  for (size_t i = 0; i < found.size(); ++i) {
    const size_t p = i / stride, c = i % stride;
    int64_t d[16];
    if (c < channels)
      for (size_t k = 0; k < 16; ++k) d[k] = pixels[k][c];
    const int64_t wanted = c >= channels ? 0xA5 : transformed(kB, d, p) + (p == 5 ? 0 : offset);
    expect(found.data()[i] == static_cast<uint8_t>(wanted), std::string("x on ") + isa_name(isa));
  }
  ++checked;
}

Convolution convolution_of(const WinogradWeight& weight, const Shape& pads) {
  Convolution convolution;
  const std::string error =
      check_convolution({Shape{1, 1}, pads, Shape{1, 1}, 1}, weight.weight.shape, &convolution);
  expect(error.empty(), "a valid convolution was refused: " + error);
  return convolution;
}

// y of a call, between guard pages.
struct Result {
  bool is_float;
  Guarded<uint8_t> y;
  IntegerOutput output;

  Result(size_t size, bool is_float_, const uint8_t* residual, Flush flush)
      : is_float(is_float_), y(size * (is_float ? 4 : 1), flush) {
    y.fill(0xA5);
    output = {y.data(), is_float, residual, 0.25f, {3, 250}};
  }
};

bool same(Result& a, Result& b) { return std::memcmp(a.y.data(), b.y.data(), a.y.size()) == 0; }

void run_on_threads(size_t count, const Task& task) {
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (size_t i = t; i < count; i += 3) task(i);
    });
  for (std::thread& thread : threads) thread.join();
}

struct Case {
  Shape x_shape, pads;
  size_t x_bits, x_zero_point;
  Weights kind;
  bool is_extreme;  // all codes are the largest
};

std::vector<uint8_t> codes_below(Random& random, size_t count, size_t bits, bool is_extreme) {
  const size_t most = (size_t{1} << bits) - 1;
  std::vector<uint8_t> codes(count);
  for (uint8_t& code : codes)
    code = static_cast<uint8_t>(is_extreme                   ? most
                                : uniform(random, 0, 3) == 0 ? most * uniform(random, 0, 1)
                                                             : uniform(random, 0, most));
  return codes;
}

size_t product_of(const Shape& shape) {
  size_t product = 1;
  for (int64_t size : shape) product *= static_cast<size_t>(size);
  return product;
}

// Equal to the direct kernels, where the weight fits.
void check_convolution_of(Random& random, Isa isa, const Case& c, const WinogradWeight& weight, Flush flush) {
  const Convolution convolution = convolution_of(weight, c.pads);
  ConvolutionSizes sizes;
  if (!check_convolution_input(convolution, c.x_shape, &sizes, Layout::channels_last).empty()) return;
  const IntegerLayer layer = make_integer_layer(weight.weight, isa);
  const IntegerWinograd winograd = make_integer_winograd(layer, convolution, isa);
  const std::string what = std::string("convolution on ") + isa_name(isa) + ", " + as_text(c.x_shape) +
                           " * " + as_text(weight.weight.shape);
  expect(winograd.is_exact == weight.fits(), what + ": is_exact");
  ++checked;
  if (!winograd.is_exact) return;
  Guarded<uint8_t> x(codes_below(random, product_of(c.x_shape), c.x_bits, c.is_extreme), flush);
  const size_t size = product_of(sizes.y_shape);
  const bool is_float = uniform(random, 0, 2) == 0;
  Guarded<uint8_t> residual(random_codes(random, size), flush);
  const uint8_t* const added = uniform(random, 0, 1) == 0 ? residual.data() : nullptr;
  Result direct(size, is_float, added, flush), found(size, is_float, added, flush);
  const IntegerGeometry geometry = geometry_of(convolution, sizes);
  multiply_integers(layer, geometry, x.data(), direct.output, run_tasks_backwards);
  const Parallel parallel =
      uniform(random, 0, 9) == 0 ? Parallel(run_on_threads) : Parallel(run_tasks_backwards);
  convolve_winograd(winograd, layer, geometry, x.data(), found.output, parallel);
  expect(same(direct, found), what);
}

int64_t any(Random& random, size_t low, size_t high) {
  return static_cast<int64_t>(uniform(random, low, high));
}

void check_random_convolution(Random& random, Isa isa) {
  const Flush flush = any_flush(random);
  const size_t channels = 4 * (uniform(random, 0, 3) == 0 ? uniform(random, 1, 40) : uniform(random, 1, 9));
  const size_t outputs = uniform(random, 1, uniform(random, 0, 3) == 0 ? 150 : 40);
  const size_t x_bits = uniform(random, 1, 6), most = (size_t{1} << x_bits) - 1;
  const size_t x_zero_point = uniform(random, 0, 2) * most / 2;
  Case c = {{any(random, 0, 2), any(random, 1, 19), any(random, 1, 19), static_cast<int64_t>(channels)},
            {},
            x_bits,
            x_zero_point,
            kWeights[uniform(random, 0, 4)],
            uniform(random, 0, 7) == 0};
  if (uniform(random, 0, 1) == 0) c.pads = {1, 1, 1, 1};
  while (c.pads.size() < 4) c.pads.push_back(any(random, 0, 3));
  const bool has_codebook = uniform(random, 0, 1) == 0;
  const size_t bits = has_codebook ? uniform(random, 1, 8) : uniform(random, 1, 5);
  const WinogradWeight weight(random, outputs, channels, bits, x_bits, x_zero_point, c.kind, has_codebook,
                              uniform(random, 0, 3) == 0 ? 40 : 14, flush);
  check_convolution_of(random, isa, c, weight, flush);
}

// Whatever x is: as wrong as on any other instruction set.
void check_any_codes(Random& random, Isa isa) {
  const Flush flush = any_flush(random);
  const size_t channels = 4 * uniform(random, 1, 20);
  const WinogradWeight weight(random, uniform(random, 1, 80), channels, 4, 6, 63, Weights::any, false, 0,
                              flush);
  const Convolution convolution = convolution_of(weight, {1, 1, 1, 1});
  ConvolutionSizes sizes;
  const Shape x_shape = {2, any(random, 1, 9), any(random, 1, 9), static_cast<int64_t>(channels)};
  check_convolution_input(convolution, x_shape, &sizes, Layout::channels_last);
  Guarded<uint8_t> x(random_codes(random, product_of(x_shape)), flush);
  const IntegerLayer layer = make_integer_layer(weight.weight, isa);
  IntegerWinograd winograd = make_integer_winograd(layer, convolution, isa);
  const size_t size = product_of(sizes.y_shape);
  Result found(size, false, nullptr, flush), wanted(size, false, nullptr, flush);
  const IntegerGeometry geometry = geometry_of(convolution, sizes);
  convolve_winograd(winograd, layer, geometry, x.data(), found.output, run_tasks_backwards);
  winograd.kernels = get_integer_winograd(Isa::scalar);
  convolve_winograd(winograd, layer, geometry, x.data(), wanted.output, run_tasks_backwards);
  expect(same(found, wanted), std::string("codes beyond x_bits on ") + isa_name(isa));
  ++checked;
}

// Chunks, runs and blocks of more than one kind; every kind of weight; the largest sums.
void check_large_convolutions(Random& random, Isa isa) {
  for (Weights kind : kWeights) {
    for (size_t zero_point : {0, 31, 63}) {
      const Case c = {{1, 5, 6, 512}, {1, 1, 1, 1}, 6, zero_point, kind, true};
      const WinogradWeight weight(random, 33, 512, 4, 6, zero_point, kind, false, 0, Flush::high);
      expect(weight.fits(), "4-bit weights always fit");
      check_convolution_of(random, isa, c, weight, Flush::high);
    }
  }
  const WinogradWeight wide(random, 112, 16, 4, 6, 5, Weights::any, false, 0, Flush::low);
  check_convolution_of(random, isa, {{2, 131, 127, 16}, {0, 1, 1, 0}, 6, 5, Weights::any, false}, wide,
                       Flush::low);
  const WinogradWeight deep(random, 20, 1280, 2, 4, 15, Weights::any, false, 0, Flush::high);
  check_convolution_of(random, isa, {{3, 21, 20, 1280}, {1, 1, 1, 1}, 4, 15, Weights::any, false}, deep,
                       Flush::high);
}

void check_refusals(Random& random) {
  const Isa isa = Isa::scalar;
  const auto is_exact = [&](size_t x_bits, size_t zero_point, size_t channels,
                            const ConvolutionClaim& claim) {
    const WinogradWeight w(random, 8, channels, 4, x_bits, zero_point, Weights::any, false, 0, Flush::low);
    Convolution convolution;
    expect(check_convolution(claim, w.weight.shape, &convolution).empty(), "refused");
    ++checked;
    return make_integer_winograd(make_integer_layer(w.weight, isa), convolution, isa).is_exact;
  };
  const ConvolutionClaim plain = {Shape{1, 1}, Shape{0, 0, 0, 0}, Shape{1, 1}, 1};
  expect(is_exact(6, 63, 4, plain), "6 bits fit");
  expect(!is_exact(7, 63, 4, plain), "codes of 7 bits do not fit");
  expect(!is_exact(8, 0, 4, plain), "codes of 8 bits do not fit");
  expect(!is_exact(6, 64, 4, plain), "a zero point is a code too");
  expect(!is_exact(6, 0, 6, plain), "channels by four");
  expect(!is_exact(6, 0, 4, {Shape{2, 1}, Shape{0, 0, 0, 0}, Shape{1, 1}, 1}), "strides of one");
  expect(!is_exact(6, 0, 4, {Shape{1, 1}, Shape{0, 0, 0, 0}, Shape{1, 2}, 1}), "dilations of one");
  expect(!is_exact(6, 0, 4, {Shape{1, 1}, Shape{0, 0, 0, 0}, Shape{1, 1}, 2}), "one group");
}

}  // namespace

int main() {
  Random definition(1);
  for (int i = 0; i < 100; ++i) check_definition(definition);
  check_refusals(definition);
  for (Isa isa : available_isas()) {
    Random random(20240702);
    for (int i = 0; i < kTransforms; ++i) check_weights(random, isa), check_input(random, isa);
    for (int i = 0; i < kConvolutions; ++i) check_random_convolution(random, isa);
    for (int i = 0; i < kAnyCodes; ++i) check_any_codes(random, isa);
    check_large_convolutions(random, isa);
  }
  return result(checked);
}
