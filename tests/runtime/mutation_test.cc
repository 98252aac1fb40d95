// Throws random nodes at the rules and the kernels: what the rules accept must run, stay inside its buffers
// (guard pages, and the sanitizers where they are on) and give the right numbers; the rest must be refused
// with a message. Runs for QCOMPILE_TEST_SECONDS (3); prints its seed, which QCOMPILE_TEST_SEED repeats.
#include <chrono>
#include <memory>

#include "base/checked_arithmetic.h"
#include "operators.h"

using namespace qc;
using namespace qc::test;

namespace {

size_t accepted = 0, refused = 0;

size_t from_environment(const char* name, size_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : static_cast<size_t>(std::strtoull(text, nullptr, 10));
}

// Values at which sizes go wrong.
int64_t odd_value(Random& random) {
  const int64_t values[] = {0,
                            1,
                            -1,
                            2,
                            3,
                            7,
                            8,
                            9,
                            255,
                            256,
                            65536,
                            int64_t{1} << 31,
                            (int64_t{1} << 31) - 1,
                            int64_t{1} << 61,
                            std::numeric_limits<int64_t>::min(),
                            std::numeric_limits<int64_t>::max()};
  return values[uniform(random, 0, std::size(values) - 1)];
}

Flush random_flush(Random& random) { return uniform(random, 0, 1) == 0 ? Flush::low : Flush::high; }

Isa random_isa(Random& random) { return available_isas()[uniform(random, 0, available_isas().size() - 1)]; }

int64_t small(Random& random, size_t low, size_t high) {
  return static_cast<int64_t>(uniform(random, low, high));
}

void mutate(Random& random, Shape& shape) {
  if (shape.empty() || uniform(random, 0, 3) == 0) return shape.push_back(odd_value(random));
  if (uniform(random, 0, 3) == 0) return shape.pop_back();
  shape[uniform(random, 0, shape.size() - 1)] = odd_value(random);
}

// One change of a claim that was valid: it may stay valid only if nothing about the memory changed.
void mutate(Random& random, WeightClaim& claim) {
  switch (uniform(random, 0, 8)) {
    case 0:
      return mutate(random, *claim.weight_shape);
    case 1:
      claim.bits = odd_value(random);
      return;
    case 2:
      claim.format_version = odd_value(random);
      return;
    case 3:
      return mutate(random, claim.indices.shape);
    case 4:
      return mutate(random, claim.codebook.shape);
    case 5:
      return mutate(random, claim.scale.shape);
    case 6:
      return mutate(random, claim.bias.shape);
    case 7:
      claim.indices.constant = false;
      return;
    default:
      claim.codebook.type = ElementType::uint8;
  }
}

void throw_matmul(Random& random) {
  const Shape shape = {small(random, 1, 70), small(random, 1, 140)};
  const size_t groups = uniform(random, 0, 1) == 0 ? 1 : static_cast<size_t>(shape[0]);
  const Flush flush = random_flush(random);
  const RandomOperands operands(random, shape, uniform(random, 1, 8), groups, flush);
  const size_t m = uniform(random, 1, 20);
  check_matmul(random, operands, random_isa(random), m, m > kGemvVectors || uniform(random, 0, 1) == 1,
               flush);
  ++accepted;
}

void throw_conv(Random& random) {
  const size_t axes = uniform(random, 1, 2);
  const int64_t group = small(random, 1, 4), channels = small(random, 1, 5);
  Shape weight = {group * small(random, 1, 9), channels}, x = {small(random, 0, 3), group * channels};
  ConvolutionClaim claim = {Shape(), Shape(), Shape(), group};
  for (size_t axis = 0; axis < axes; ++axis) {
    weight.push_back(small(random, 1, 4));
    x.push_back(small(random, 0, 12));
    claim.strides->push_back(small(random, 1, 3));
    claim.dilations->push_back(small(random, 1, 3));
  }
  for (size_t i = 0; i < 2 * axes; ++i) claim.pads->push_back(small(random, 0, 5));
  Convolution convolution;
  ConvolutionSizes sizes;
  if (!check_convolution(claim, weight, &convolution).empty())
    return expect(false, "a valid claim was refused");
  if (!check_convolution_input(convolution, x, &sizes).empty()) return static_cast<void>(++refused);
  const Flush flush = random_flush(random);
  const RandomOperands operands(random, weight, uniform(random, 1, 8), 1, flush);
  check_conv(random, operands, claim, x, random_isa(random), flush);
  const RandomCorrections corrections(random, weight, uniform(random, 1, 9), flush);
  check_sparse_conv(random, corrections, claim, x, random_isa(random), flush);
  ++accepted;
}

// Memory of exactly the size that an operand claims; none where that is absurd: then it must be refused
// unread.
std::unique_ptr<Guarded<float>> back(Random& random, Operand& operand) {
  size_t count = 0;
  const bool fits =
      checked_product(operand.shape.data(), operand.shape.size(), &count) && count <= (1u << 16);
  operand.data = nullptr;
  if (!fits) return nullptr;
  const size_t floats = operand.type == ElementType::uint8 ? (count + 3) / 4 : count;
  auto memory = std::make_unique<Guarded<float>>(floats, random_flush(random));
  memory->fill(0.5f);
  operand.data = memory->data();
  return memory;
}

// One change of a valid node. Either it is refused, or it is a valid node again and runs.
void throw_mutant(Random& random) {
  const RandomOperands operands(random, {small(random, 1, 9), small(random, 1, 30)}, uniform(random, 1, 8), 1,
                                random_flush(random));
  WeightClaim claim = operands.claim;
  mutate(random, claim);
  const auto indices = back(random, claim.indices), codebook = back(random, claim.codebook);
  const auto scale = back(random, claim.scale), bias = back(random, claim.bias);
  PackedWeight weight;
  if (!check_packed_weight(claim, &weight).empty()) return static_cast<void>(++refused);
  std::vector<float> x(weight.rows.columns, 1.0f), y(weight.outputs, kNan);
  multiply_vectors(get_codebook_gemv(random_isa(random), weight.rows.bits, weight.rows.columns), weight, 1,
                   x.data(), y.data(), run_backwards);
  for (float value : y) expect(std::isfinite(value), "an output was not written");
  ++accepted;
}

void throw_sparse_matmul(Random& random) {
  const Flush flush = random_flush(random);
  const RandomCorrections operands(random, {small(random, 1, 70), small(random, 1, 140)},
                                   uniform(random, 1, 50), flush);
  check_sparse_matmul(random, operands, random_isa(random), uniform(random, 1, 40), flush);
  ++accepted;
}

// One change of valid corrections. Either they are refused, or each lies inside the weight.
void throw_sparse_mutant(Random& random) {
  const RandomCorrections operands(random, {small(random, 1, 9), small(random, 1, 30)},
                                   uniform(random, 1, 20), random_flush(random));
  CorrectionsClaim claim = operands.claim;
  std::vector<uint16_t> gaps = operands.gaps;
  switch (uniform(random, 0, 3)) {
    case 0:
      mutate(random, *claim.weight_shape);
      break;
    case 1:
      claim.format_version = odd_value(random);
      break;
    case 2:
      mutate(random, uniform(random, 0, 1) == 0 ? claim.gaps.shape : claim.values.shape);
      break;
    default:
      if (!gaps.empty())
        gaps[uniform(random, 0, gaps.size() - 1)] = static_cast<uint16_t>(uniform(random, 0, 65535));
      claim.gaps.data = gaps.data();
  }
  Corrections corrections;
  if (!check_corrections(claim, &corrections).empty()) return static_cast<void>(++refused);
  for (size_t i = 0; i < corrections.rows.size(); ++i)
    expect(corrections.rows[i] < corrections.outputs && corrections.places[i] < corrections.columns,
           "a correction outside the weight was accepted");
  ++accepted;
}

void throw_attributes(Random& random) {
  ConvolutionClaim claim = {Shape{1, 1}, Shape{0, 0, 0, 0}, Shape{1, 1}, 1};
  mutate(random, uniform(random, 0, 1) == 0   ? *claim.strides
                 : uniform(random, 0, 1) == 0 ? *claim.pads
                                              : *claim.dilations);
  if (uniform(random, 0, 2) == 0) claim.group = odd_value(random);
  const Shape weight = {small(random, 1, 6), small(random, 1, 3), small(random, 1, 3), small(random, 1, 3)};
  Shape x = {1, weight[1], 5, 5};
  if (uniform(random, 0, 1) == 0) mutate(random, x);
  Convolution convolution;
  ConvolutionSizes sizes;
  const bool valid = check_convolution(claim, weight, &convolution).empty() &&
                     check_convolution_input(convolution, x, &sizes).empty();
  for (size_t axis = 0; valid && axis < 2; ++axis)
    expect(sizes.output[axis] >= 1, "an empty output was accepted");
  ++(valid ? accepted : refused);
}

}  // namespace

int main() {
  const size_t seed = from_environment("QCOMPILE_TEST_SEED", std::random_device()());
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::seconds(from_environment("QCOMPILE_TEST_SECONDS", 3));
  std::printf("QCOMPILE_TEST_SEED=%zu\n", seed);
  Random random(seed);
  while (std::chrono::steady_clock::now() < end && failures == 0) {
    throw_matmul(random);
    throw_conv(random);
    throw_sparse_matmul(random);
    for (int i = 0; i < 5; ++i) throw_sparse_mutant(random);
    for (int i = 0; i < 5; ++i) throw_mutant(random);
    for (int i = 0; i < 5; ++i) throw_attributes(random);
  }
  std::printf("%zu accepted, %zu refused\n", accepted, refused);
  expect(accepted > 0 && refused > 0, "both kinds were met");
  return result(accepted + refused);
}
