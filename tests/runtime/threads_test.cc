// Every operation cut into tasks on eight threads, and called by eight threads at once: the bits are those of
// one thread. Built with ThreadSanitizer too (-DQCOMPILE_RACES=ON), which sees races that happen to do no
// harm.
#include <atomic>
#include <thread>

#include "compute/integer_depthwise.h"
#include "compute/integer_dynamic.h"
#include "compute/integer_multiply.h"
#include "operators.h"

using namespace qc;
using namespace qc::test;

namespace {

constexpr size_t kThreads = 8;
constexpr int kRepeats = 3;
size_t checked = 0;

using Bytes = std::vector<uint8_t>;
using Operation = std::function<Bytes(const Parallel&)>;  // what it gives

void run_on_threads(size_t count, const Task& task) {
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t)
    threads.emplace_back([&] {
      for (size_t i = next++; i < count; i = next++) task(i);
    });
  for (std::thread& thread : threads) thread.join();
}

void run_alone(size_t count, const Task& task) {
  for (size_t i = 0; i < count; ++i) task(i);
}

void check(const std::string& what, const Operation& operation) {
  const Bytes wanted = operation(run_alone);
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    expect(operation(run_on_threads) == wanted, what + ": other bits on several threads");
    std::vector<Bytes> found(kThreads);
    run_on_threads(kThreads, [&](size_t caller) { found[caller] = operation(run_alone); });
    for (const Bytes& bytes : found) expect(bytes == wanted, what + ": other bits for several callers");
    ++checked;
  }
}

Bytes random_bytes(Random& random, size_t count) {
  Bytes bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(uniform(random, 0, 255));
  return bytes;
}

// A weight of random bytes, four bits each, without a codebook.
struct Weight {
  Bytes tiles;
  std::vector<float> scale, bias;
  IntegerWeight weight;

  Weight(Random& random, const Shape& shape, size_t groups)
      : tiles(random_bytes(random, 128 * count_tiles(shape, groups))),
        scale(static_cast<size_t>(shape[0]), 0.01f),
        bias(static_cast<size_t>(shape[0]), 100.0f) {
    IntegerWeightClaim claim;
    claim.bits = 4;
    claim.x_zero_point = 7;
    claim.weight_shape = shape;
    claim.indices = {true, ElementType::uint8, {static_cast<int64_t>(tiles.size())}, tiles.data()};
    claim.codebook = {true, ElementType::int8, {0}, nullptr};
    claim.scale = {true, ElementType::float32, {shape[0]}, scale.data()};
    claim.bias = {true, ElementType::float32, {shape[0]}, bias.data()};
    const std::string error = check_integer_weight(claim, groups, &weight);
    expect(error.empty(), "a valid weight was refused: " + error);
  }

 private:
  static size_t count_tiles(const Shape& shape, size_t groups) {
    size_t columns = 1;
    for (size_t axis = 1; axis < shape.size(); ++axis) columns *= static_cast<size_t>(shape[axis]);
    const auto outputs = static_cast<size_t>(shape[0]);
    if (groups > 1 && shape[1] == 1) return (outputs * columns + 255) / 256;
    return groups * ((outputs / groups + 15) / 16) * ((columns + 15) / 16);
  }
};

void check_products(Random& random, Isa isa) {
  for (size_t m : {1, 5, 300}) {
    const Weight operands(random, {200, 128}, 1);
    const Bytes x = random_bytes(random, m * 128);
    const IntegerLayer layer = make_integer_layer(operands.weight, isa);
    check("product of " + std::to_string(m) + " rows", [&](const Parallel& parallel) {
      Bytes y(m * 200);
      const IntegerOutput output = {y.data(), false, nullptr, 0.0f, {0, 255}};
      multiply_integers(layer, geometry_of_product(m, 128), x.data(), output, parallel);
      return y;
    });
  }
}

void check_dynamic_products(Random& random, Isa isa) {
  for (size_t m : {1, 5, 300}) {
    const Weight operands(random, {200, 330}, 1);
    const std::vector<float> x = normal_floats(random, m * 330);
    const DynamicLayer layer = make_dynamic_layer(operands.weight, isa);
    check("dynamic product of " + std::to_string(m) + " rows", [&](const Parallel& parallel) {
      Bytes y(m * 200 * sizeof(float));
      multiply_dynamically(layer, m, x.data(), reinterpret_cast<float*>(y.data()), parallel);
      return y;
    });
  }
}

void check_convolution(Random& random, Isa isa, const Shape& shape, int64_t group, const Shape& x_shape) {
  Convolution convolution;
  ConvolutionSizes sizes;
  const ConvolutionClaim claim = {Shape{1, 1}, Shape{1, 1, 1, 1}, Shape{1, 1}, group};
  expect(qc::check_convolution(claim, shape, &convolution).empty(), "a valid operand was refused");
  expect(check_convolution_input(convolution, x_shape, &sizes, Layout::channels_last).empty(),
         "a valid operand was refused");
  const Weight operands(random, shape, convolution.groups);
  const size_t positions = sizes.batch * static_cast<size_t>(sizes.output[0] * sizes.output[1]);
  const Bytes x = random_bytes(random, positions * convolution.channels);
  const IntegerLayer layer = make_integer_layer(operands.weight, isa);
  check("convolution " + as_text(shape), [&](const Parallel& parallel) {
    Bytes y(positions * convolution.outputs);
    if (operands.weight.is_depthwise) {
      const IntegerDepthwiseOutput output = {
          operands.scale.data(), operands.bias.data(), nullptr, 0.0f, 0, 255, y.data(), nullptr};
      convolve_integer_depthwise(get_integer_depthwise_kernels(isa), operands.weight.tiles, convolution,
                                 sizes, 7, x.data(), output, parallel);
    } else {
      const IntegerOutput output = {y.data(), false, nullptr, 0.0f, {0, 255}};
      multiply_integers(layer, geometry_of(convolution, sizes), x.data(), output, parallel);
    }
    return y;
  });
}

void check_floats(Random& random, Isa isa) {
  const RandomOperands operands(random, {130, 96}, 4, 1, Flush::high);
  PackedWeight weight;
  expect(check_packed_weight(operands.claim, &weight).empty(), "a valid operand was refused");
  const std::vector<float> x = normal_floats(random, 300 * 96);
  check("float product", [&](const Parallel& parallel) {
    Bytes y(300 * 130 * sizeof(float));
    auto* floats = reinterpret_cast<float*>(y.data());
    multiply_panels(get_codebook_gemm(isa), weight, 1, 300, MatMulPanels(x.data(), 96),
                    {floats, 300, 0, 1, 130}, parallel);
    return y;
  });
  check("float product of a row", [&](const Parallel& parallel) {
    Bytes y(130 * sizeof(float));
    multiply_vectors(get_codebook_gemv(isa, 4, 96), weight, 1, x.data(), reinterpret_cast<float*>(y.data()),
                     parallel);
    return y;
  });
}

}  // namespace

int main() {
  for (Isa isa : available_isas()) {
    Random random(5);
    check_products(random, isa);
    check_dynamic_products(random, isa);
    check_convolution(random, isa, {80, 16, 3, 3}, 1, {2, 30, 29, 16});
    check_convolution(random, isa, {64, 3, 3, 3}, 1, {1, 40, 40, 3});
    check_convolution(random, isa, {48, 8, 3, 3}, 2, {1, 30, 30, 16});
    check_convolution(random, isa, {96, 1, 3, 3}, 96, {1, 40, 40, 96});
    check_floats(random, isa);
  }
  return result(checked);
}
