// Products by counting bits: whole products and convolutions against the scalar dense kernels, bit for bit,
// on every instruction set of this machine; operands lie between guard pages.
#include "compute/integer_popcount.h"

#include <thread>

#include "compute/integer_multiply.h"
#include "integer_support.h"

using namespace qc;
using namespace qc::test;

namespace {

constexpr int kConvolutions = 700, kProducts = 300;  // of each instruction set
size_t checked = 0;

Flush any_flush(Random& random) { return uniform(random, 0, 1) == 0 ? Flush::low : Flush::high; }
int64_t any(Random& random, size_t low, size_t high) {
  return static_cast<int64_t>(uniform(random, low, high));
}
size_t product_of(const Shape& shape) {
  size_t product = 1;
  for (int64_t size : shape) product *= static_cast<size_t>(size);
  return product;
}

// A weight of one bit of any bytes: those of padding too.
struct BitWeight {
  std::vector<float> scale, bias;
  Guarded<uint8_t> tiles;
  Guarded<int8_t> codebook;
  IntegerWeight weight;

  BitWeight(Random& random, const Shape& shape, size_t groups, size_t x_bits, size_t x_zero_point,
            Flush flush)
      : scale(normal_floats(random, static_cast<size_t>(shape[0]))),
        bias(normal_floats(random, static_cast<size_t>(shape[0]))),
        tiles(random_codes(random, count_tiles(shape, groups) * 32), flush),
        codebook(entries(random, static_cast<size_t>(shape[0])), flush) {
    for (float& value : scale) value *= 0.02f;
    IntegerWeightClaim claim;
    claim.bits = 1;
    claim.x_bits = static_cast<int64_t>(x_bits);
    claim.x_zero_point = static_cast<int64_t>(x_zero_point);
    claim.weight_shape = shape;
    const auto rows = static_cast<int64_t>(codebook.size() / 2);
    claim.indices = {true, ElementType::uint8, {static_cast<int64_t>(tiles.size())}, tiles.data()};
    claim.codebook = {true, ElementType::int8, rows == 0 ? Shape{0} : Shape{rows, 2}, codebook.data()};
    claim.scale = {true, ElementType::float32, {shape[0]}, scale.data()};
    claim.bias = {true, ElementType::float32, {shape[0]}, bias.data()};
    std::string error = check_integer_attributes(claim);
    if (error.empty()) error = check_integer_weight(claim, groups, &weight);
    expect(error.empty(), "a valid weight was refused: " + error);
  }

 private:
  static size_t count_tiles(const Shape& shape, size_t groups) {
    const auto outputs = static_cast<size_t>(shape[0]);
    const size_t columns = product_of(shape) / outputs;
    if (groups > 1 && shape[1] == 1) return (outputs * columns + 255) / 256;
    return groups * ((outputs / groups + 15) / 16) * ((columns + 15) / 16);
  }
  // None, one codebook, or one for each output.
  static std::vector<int8_t> entries(Random& random, size_t outputs) {
    const size_t kind = uniform(random, 0, 3);
    std::vector<int8_t> made(kind == 0 ? 0 : kind == 1 ? 2 * outputs : 2);
    for (int8_t& entry : made)
      entry = static_cast<int8_t>(kind == 2 ? static_cast<int>(2 * uniform(random, 0, 1)) - 1
                                            : static_cast<int>(uniform(random, 0, 255)) - 128);
    return made;
  }
};

std::vector<uint8_t> codes_below(Random& random, size_t count, size_t bits) {
  std::vector<uint8_t> codes(count);
  const size_t most = (size_t{1} << bits) - 1, kind = uniform(random, 0, 5);
  for (uint8_t& code : codes) code = static_cast<uint8_t>(kind == 0 ? most : uniform(random, 0, most));
  return codes;
}

void run_on_threads(size_t count, const Task& task) {
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (size_t i = t; i < count; i += 3) task(i);
    });
  for (std::thread& thread : threads) thread.join();
}

// Equal to the scalar dense kernels.
void check_layer(Random& random, Isa isa, const BitWeight& operands, const IntegerGeometry& geometry,
                 size_t x_size, Flush flush, const std::string& what) {
  const IntegerLayer layer = make_integer_layer(operands.weight, isa);
  const IntegerPopcount popcount = make_integer_popcount(layer, isa);
  if (!can_count_bits(popcount, geometry)) return;
  Guarded<uint8_t> x(codes_below(random, x_size, operands.weight.x_bits), flush);
  const size_t size =
      geometry.batch * static_cast<size_t>(geometry.output[0] * geometry.output[1]) * operands.weight.outputs;
  const bool is_float = uniform(random, 0, 2) == 0;
  Guarded<uint8_t> residual(random_codes(random, size), flush);
  Guarded<uint8_t> found(size * (is_float ? 4 : 1), flush), wanted(found.size(), flush);
  found.fill(0xA5), wanted.fill(0xA5);
  const uint8_t* const added = uniform(random, 0, 1) == 0 ? residual.data() : nullptr;
  IntegerOutput output = {wanted.data(), is_float, added, 0.25f, {3, 250}};
  multiply_integers(make_integer_layer(operands.weight, Isa::scalar), geometry, x.data(), output,
                    run_tasks_backwards);
  output.y = found.data();
  const Parallel parallel =
      uniform(random, 0, 9) == 0 ? Parallel(run_on_threads) : Parallel(run_tasks_backwards);
  multiply_by_popcount(popcount, layer, geometry, x.data(), output, parallel);
  expect(std::memcmp(found.data(), wanted.data(), found.size()) == 0,
         what + " on " + isa_name(isa) + " * " + as_text(operands.weight.shape));
  ++checked;
}

void check_convolution_of(Random& random, Isa isa, const Shape& shape, const Shape& x_shape,
                          const ConvolutionClaim& claim) {
  Convolution c;
  ConvolutionSizes sizes;
  expect(check_convolution(claim, shape, &c).empty(), "a valid convolution was refused");
  if (!check_convolution_input(c, x_shape, &sizes, Layout::channels_last).empty()) return;
  const Flush flush = any_flush(random);
  const size_t x_bits = uniform(random, 1, 2), zero_point = uniform(random, 0, (1u << x_bits) - 1);
  const BitWeight operands(random, shape, c.groups, x_bits, zero_point, flush);
  check_layer(random, isa, operands, geometry_of(c, sizes), product_of(x_shape), flush,
              "convolution of " + as_text(x_shape));
}

void check_random_convolution(Random& random, Isa isa) {
  const size_t axes = uniform(random, 1, 2);
  const int64_t group = uniform(random, 0, 2) == 0 ? any(random, 2, 4) : 1;
  const bool is_single = uniform(random, 0, 3) == 0;
  const int64_t channels = is_single && group == 1 ? any(random, 1, 150) : 16 * any(random, 1, 5);
  Shape weight = {group * any(random, 1, 70), channels}, x = {any(random, 0, 3)};
  ConvolutionClaim claim = {Shape(), Shape(), Shape(), group};
  const bool is_padded = uniform(random, 0, 2) > 0, is_dilated = uniform(random, 0, 3) == 0;
  for (size_t axis = 0; axis < axes; ++axis) {
    weight.push_back(is_single ? 1 : any(random, 1, 4));
    x.push_back(any(random, 1, 14));
    claim.strides->push_back(uniform(random, 0, 1) == 0 ? 1 : any(random, 1, 5));
    claim.dilations->push_back(is_dilated ? any(random, 1, 3) : 1);
  }
  x.push_back(group * channels);
  for (size_t i = 0; i < 2 * axes; ++i) claim.pads->push_back(is_padded ? any(random, 0, 4) : 0);
  check_convolution_of(random, isa, weight, x, claim);
}

void check_large_convolutions(Random& random, Isa isa) {
  const ConvolutionClaim same = {Shape{1, 1}, Shape{1, 1, 1, 1}, Shape{1, 1}, 1};
  check_convolution_of(random, isa, {65, 16, 3, 3}, {1, 40, 41, 16}, same);    // runs of positions
  check_convolution_of(random, isa, {20, 16, 1, 3}, {2, 1, 1100, 16}, same);   // one long row
  check_convolution_of(random, isa, {33, 1024, 3, 3}, {1, 5, 4, 1024}, same);  // deep
  check_convolution_of(random, isa, {2, 16, 2, 2}, {1, 3, 3, 16},
                       {Shape{900, 1}, Shape{999, 2, 999, 2}, Shape{900, 1}, 1});  // far away: refused
}

void check_random_product(Random& random, Isa isa) {
  const size_t m = uniform(random, 0, 3) == 0 ? uniform(random, 1, 1500) : uniform(random, 0, 20);
  const size_t n = uniform(random, 1, m > 100 ? 40 : 150), k = uniform(random, 1, m > 100 ? 70 : 700);
  const Flush flush = any_flush(random);
  const size_t x_bits = uniform(random, 1, 2), zero_point = uniform(random, 0, (1u << x_bits) - 1);
  const BitWeight operands(random, {static_cast<int64_t>(n), static_cast<int64_t>(k)}, 1, x_bits, zero_point,
                           flush);
  check_layer(random, isa, operands, geometry_of_product(m, k), m * k, flush,
              "product of " + std::to_string(m) + " rows");
}

// As many terms as there may be, all of them as large as they can be.
void check_largest_sums(Random& random, Isa isa) {
  for (size_t zero_point : {0, 3}) {
    const BitWeight operands(random, {3, kMaxTerms}, 1, 2, zero_point, Flush::high);
    check_layer(random, isa, operands, geometry_of_product(9, kMaxTerms), 9 * kMaxTerms, Flush::high,
                "largest sums");
  }
}

void check_refusals(Random& random) {
  const auto can_count = [&](const Shape& shape, size_t x_bits, size_t zero_point, const Shape& x_shape,
                             const ConvolutionClaim& claim) {
    Convolution c;
    ConvolutionSizes sizes;
    expect(check_convolution(claim, shape, &c).empty(), "a valid convolution was refused");
    expect(check_convolution_input(c, x_shape, &sizes, Layout::channels_last).empty(), "x was refused");
    const BitWeight operands(random, shape, c.groups, x_bits, zero_point, Flush::low);
    const IntegerLayer layer = make_integer_layer(operands.weight, Isa::scalar);
    ++checked;
    return can_count_bits(make_integer_popcount(layer, Isa::scalar), geometry_of(c, sizes));
  };
  const ConvolutionClaim plain = {Shape{1, 1}, Shape{1, 1, 1, 1}, Shape{1, 1}, 1};
  expect(can_count({4, 16, 3, 3}, 2, 3, {1, 4, 4, 16}, plain), "codes of two bits are counted");
  expect(!can_count({4, 16, 3, 3}, 3, 3, {1, 4, 4, 16}, plain), "codes of three bits are not");
  expect(!can_count({4, 16, 3, 3}, 1, 2, {1, 4, 4, 16}, plain), "pads are codes too");
  expect(!can_count({4, 24, 3, 3}, 1, 0, {1, 4, 4, 24}, plain), "channels by sixteen");
  expect(!can_count({4, 24, 1, 1}, 1, 0, {1, 4, 4, 24}, plain), "nor with pads");
  expect(can_count({4, 24, 1, 1}, 1, 0, {1, 4, 4, 24}, {Shape{2, 2}, Shape{0, 0, 0, 0}, Shape{1, 1}, 1}),
         "but where the kernel meets single pixels");
  expect(!can_count({32, 1, 3, 3}, 1, 0, {1, 4, 4, 32}, {Shape{1, 1}, Shape{1, 1, 1, 1}, Shape{1, 1}, 32}),
         "depthwise convolutions have tiles of their own");
}

}  // namespace

int main() {
  Random refusals(1);
  check_refusals(refusals);
  for (Isa isa : available_isas()) {
    Random random(20240703);
    for (int i = 0; i < kConvolutions; ++i) check_random_convolution(random, isa);
    for (int i = 0; i < kProducts; ++i) check_random_product(random, isa);
    check_large_convolutions(random, isa);
    check_largest_sums(random, isa);
  }
  return result(checked);
}
