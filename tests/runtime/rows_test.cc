// normalize_rows and softmax_rows on every instruction set of this machine, bit for bit against their
// definitions, with all operands between guard pages.
#include "compute/rows.h"

#include "integer_support.h"

using namespace qc;
using namespace qc::test;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr size_t kRepeats = 12;
constexpr size_t kColumns[] = {0,  1,  2,  3,  7,  8,  9,  15,  16,  17,  23,  24,  31,  32,  33,   47,   48,
                               49, 63, 64, 65, 79, 80, 96, 127, 128, 129, 191, 192, 257, 384, 1000, 32768};

size_t checked = 0;

// Of one sign or both, of any size down to the least, equal, with zeros, far from zero, and what is no
// number.
std::vector<float> random_row(Random& random, size_t columns) {
  std::vector<float> row = normal_floats(random, columns);
  constexpr float kSizes[] = {1, 1, 10, 1e-45f, 1e-43f, 1e-38f, 1e-30f, 1e20f, 3e37f, 3e38f};
  const float size = kSizes[uniform(random, 0, std::size(kSizes) - 1)];
  const size_t kind = uniform(random, 0, 8);
  for (float& value : row) {
    value = std::clamp(value, -4.0f, 4.0f) * 0.25f * size;
    if (kind == 0) value = uniform(random, 0, 1) == 0 ? 0.0f : -0.0f;
    if (kind == 1) value = std::abs(value);
    if (kind == 2) value = -std::abs(value);
    if (kind == 3) value = size;
    if (kind == 4 && uniform(random, 0, 1) == 0) value = -kInfinity;
    if (kind == 5) value = value * 1e-3f + size;
  }
  constexpr float kOdd[] = {kNan, -kNan, kInfinity, -kInfinity, 3.4e38f, -3.4e38f};
  if (kind == 6 && columns > 0)
    row[uniform(random, 0, columns - 1)] = kOdd[uniform(random, 0, std::size(kOdd) - 1)];
  if (kind == 7) std::fill(row.begin(), row.end(), -kInfinity);
  return row;
}

CodeRange random_range(Random& random) {
  const auto a = static_cast<uint8_t>(uniform(random, 0, 255)),
             b = static_cast<uint8_t>(uniform(random, 0, 255));
  return uniform(random, 0, 1) == 0 ? CodeRange{0, 255} : CodeRange{std::min(a, b), std::max(a, b)};
}

std::vector<uint8_t> plain_normalization(const RowsToNormalize& shape, const float* x) {
  std::vector<uint8_t> codes(shape.columns, shape.least);
  float largest = std::ldexp(1.0f, -100);
  for (size_t j = 0; j < shape.columns; ++j) {
    if (!std::isfinite(x[j])) return codes;
    largest = std::max(largest, std::abs(x[j]));
  }
  const float units = 524288.0f / largest;
  __int128 total = 0, squares = 0;
  for (size_t j = 0; j < shape.columns; ++j) {
    const auto number = static_cast<__int128>(std::nearbyint(x[j] * units));
    total += number, squares += number * number;
  }
  const auto count = static_cast<double>(shape.columns);
  const double mean = static_cast<double>(total) / count;
  const double variance = std::max(static_cast<double>(squares) / count - mean * mean, 0.0);
  const double area = static_cast<double>(units) * static_cast<double>(units);
  const auto center = static_cast<float>(mean);
  const auto gain = static_cast<float>(1.0 / std::sqrt(variance + shape.epsilon * area));
  for (size_t j = 0; j < shape.columns; ++j) {
    const float normal = (std::nearbyint(x[j] * units) - center) * gain;
    codes[j] = plain_code(normal * shape.scale[j] + shape.bias[j], {shape.least, shape.most});
  }
  return codes;
}

// Checks the exponential against the library's as well.
std::vector<uint8_t> plain_softmax(const RowsOfSoftmax& shape, const float* x) {
  std::vector<uint8_t> codes(shape.columns, shape.least);
  float largest = -kInfinity;
  for (size_t j = 0; j < shape.columns; ++j) {
    if (std::isnan(x[j])) return codes;
    largest = std::max(largest, x[j]);
  }
  if (!std::isfinite(largest)) return codes;
  constexpr float kFactors[] = {0.6932829022407532f, 0.2422109693288803f, 0.05500892922282219f};
  std::vector<float> units(shape.columns);
  double total = 0;
  for (size_t j = 0; j < shape.columns; ++j) {
    const float exponent = std::max((x[j] - largest) * 1.4426950216293335f, -32.0f);
    const float whole = std::nearbyint(exponent), rest = exponent - whole;
    float power = kFactors[2];
    for (size_t i = 2; i-- > 0;) power = power * rest + kFactors[i];
    power = power * rest + 1.0f;
    const double exact = std::exp2(static_cast<double>(rest));
    expect(std::abs(static_cast<double>(power) - exact) < 1.1e-4 * exact,
           "the power of " + std::to_string(rest));
    units[j] = std::nearbyint(power * std::exp2(20.0f + whole));
    total += static_cast<double>(units[j]);
  }
  const float gain = shape.scale / static_cast<float>(total);
  for (size_t j = 0; j < shape.columns; ++j)
    codes[j] = plain_code(units[j] * gain + shape.bias, {shape.least, shape.most});
  return codes;
}

std::string described(const char* name, size_t columns, const char* what) {
  return std::string(name) + ", " + std::to_string(columns) + " columns: " + what;
}

std::vector<float> random_rows(Random& random, size_t rows, size_t columns) {
  std::vector<float> x;
  for (size_t p = 0; p < rows; ++p)
    for (float value : random_row(random, columns)) x.push_back(value);
  return x;
}

void check_normalization(const char* name, normalize_rows_fn kernel, Random& random, size_t rows,
                         size_t columns, Flush flush) {
  const std::vector<float> x = random_rows(random, rows, columns);
  Guarded<float> guarded_x(x, flush), scale(normal_floats(random, columns), flush),
      bias(normal_floats(random, columns), flush);
  for (size_t j = 0; j < columns; ++j) scale.data()[j] *= 60, bias.data()[j] = bias.data()[j] * 20 + 128;
  if (columns > 2 && uniform(random, 0, 7) == 0) scale.data()[2] = 3e38f;
  Guarded<uint8_t> y(rows * columns, flush);
  constexpr float kEpsilons[] = {1e-5f, 1e-12f, 1e-45f, 0.5f, 3e38f};
  const CodeRange range = random_range(random);
  const double epsilon = kEpsilons[uniform(random, 0, std::size(kEpsilons) - 1)];
  const RowsToNormalize shape = {rows, columns, scale.data(), bias.data(), epsilon, range.least, range.most};
  kernel(shape, guarded_x.data(), y.data());
  for (size_t p = 0; p < rows; ++p) {
    const std::vector<uint8_t> wanted = plain_normalization(shape, x.data() + p * columns);
    expect(std::equal(wanted.begin(), wanted.end(), y.data() + p * columns),
           described(name, columns, "normalized"));
  }
  ++checked;
}

void check_softmax(const char* name, softmax_rows_fn kernel, Random& random, size_t rows, size_t columns,
                   Flush flush) {
  const std::vector<float> x = random_rows(random, rows, columns);
  Guarded<float> guarded_x(x, flush);
  Guarded<uint8_t> y(rows * columns, flush);
  Guarded<int32_t> units(kRowsAtOnce * columns, flush);
  constexpr float kScales[] = {255.0f, 63.0f, 2550.0f, -77.5f, 1e30f};
  const CodeRange range = random_range(random);
  const float bias = uniform(random, 0, 1) == 0 ? 0.0f : 7.5f;
  const RowsOfSoftmax shape = {rows, columns,     kScales[uniform(random, 0, std::size(kScales) - 1)],
                               bias, range.least, range.most};
  kernel(shape, guarded_x.data(), y.data(), units.data());
  for (size_t p = 0; p < rows; ++p) {
    const std::vector<uint8_t> wanted = plain_softmax(shape, x.data() + p * columns);
    expect(std::equal(wanted.begin(), wanted.end(), y.data() + p * columns),
           described(name, columns, "softmax"));
  }
  ++checked;
}

template <typename Kernel, typename Check>
void check_kernel(const char* name, Isa isa, Kernel kernel, const Check& check) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(20241122);
  for (size_t columns : kColumns)
    for (size_t rows : {0, 1, 7, 19})
      for (size_t repeat = 0; repeat < (columns > 1000 ? 1 : kRepeats); ++repeat)
        for (Flush flush : {Flush::low, Flush::high}) check(name, kernel, random, rows, columns, flush);
}

// The largest sums that there are: of numbers of 2^19, and of units of 2^20.
void check_longest_rows() {
  constexpr size_t kMost = 32768;
  const std::vector<float> equal(kMost, -3.0f), scale(kMost, 10.0f), bias(kMost, 100.0f);
  std::vector<uint8_t> y(kMost);
  std::vector<int32_t> units(kRowsAtOnce * kMost);
#define QC_NORMALIZE_ROWS(isa, name)                                                         \
  if (is_available(Isa::isa)) {                                                              \
    name({1, kMost, scale.data(), bias.data(), 1e-5, 0, 255}, equal.data(), y.data());       \
    expect(y == std::vector<uint8_t>(kMost, 100), described(#name, kMost, "equal numbers")); \
  }
#include "kernels/normalize_rows/kernels.inc"
#undef QC_NORMALIZE_ROWS
#define QC_SOFTMAX_ROWS(isa, name)                                                          \
  if (is_available(Isa::isa)) {                                                             \
    name({1, kMost, 32768.0f * 50, 0, 0, 255}, equal.data(), y.data(), units.data());       \
    expect(y == std::vector<uint8_t>(kMost, 50), described(#name, kMost, "equal numbers")); \
  }
#include "kernels/softmax_rows/kernels.inc"
#undef QC_SOFTMAX_ROWS
}

// Cut into tasks: the same codes.
void check_tasks() {
  Random random(7);
  constexpr size_t kRows = 101, kWide = 1000;
  const std::vector<float> x = normal_floats(random, kRows * kWide), scale(kWide, 60.0f), bias(kWide, 128.0f);
  const Parallel backwards = [](size_t count, const Task& task) {
    for (size_t i = count; i-- > 0;) task(i);
  };
  std::vector<uint8_t> wanted(x.size()), found(x.size());
  const RowsToNormalize shape = {kRows, kWide, scale.data(), bias.data(), 1e-5, 0, 255};
  normalize_rows_scalar(shape, x.data(), wanted.data());
  normalize_rows(get_normalize_rows(Isa::scalar), shape, x.data(), found.data(), backwards);
  expect(found == wanted, "normalized in tasks");
  std::vector<int32_t> units(kRowsAtOnce * kWide);
  const RowsOfSoftmax softmax = {kRows, kWide, 2550.0f, 0, 0, 255};
  softmax_rows_scalar(softmax, x.data(), wanted.data(), units.data());
  softmax_rows(get_softmax_rows(Isa::scalar), softmax, x.data(), found.data(), backwards);
  expect(found == wanted, "softmax in tasks");
}

}  // namespace

int main() {
#define QC_NORMALIZE_ROWS(isa, name) check_kernel(#name, Isa::isa, name, check_normalization);
#include "kernels/normalize_rows/kernels.inc"
#undef QC_NORMALIZE_ROWS
#define QC_SOFTMAX_ROWS(isa, name) check_kernel(#name, Isa::isa, name, check_softmax);
#include "kernels/softmax_rows/kernels.inc"
#undef QC_SOFTMAX_ROWS
  check_longest_rows();
  check_tasks();
  return result(checked);
}
