// quantize_rows on every instruction set of this machine, bit for bit against its definition, with all
// operands between guard pages.
#include "kernels/quantize_rows/quantize_rows.h"

#include "integer_support.h"

using namespace qc;
using namespace qc::test;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr size_t kRepeats = 12;

size_t checked = 0;

// Of one sign or both, of any size down to the least, with ties, zeros, and what is no number.
std::vector<float> random_row(Random& random, size_t columns) {
  std::vector<float> row = normal_floats(random, columns);
  constexpr float kSizes[] = {1, 1, 1e-45f, 1e-43f, 1e-38f, 1e-20f, 1e20f, 3e37f, 3e38f};
  const float size = kSizes[uniform(random, 0, std::size(kSizes) - 1)];
  const size_t kind = uniform(random, 0, 7);
  for (float& value : row) {
    value = std::clamp(value, -4.0f, 4.0f) * 0.25f * size;
    if (kind == 0) value = uniform(random, 0, 1) == 0 ? 0.0f : -0.0f;
    if (kind == 1) value = std::abs(value);
    if (kind == 2) value = -std::abs(value);
    if (kind == 3) value = static_cast<float>(uniform(random, 0, 510)) * 0.5f - 127;
  }
  constexpr float kOdd[] = {kNan, -kNan, kInfinity, -kInfinity, 3.4e38f, -3.4e38f};
  if (kind == 4 && columns > 0)
    row[uniform(random, 0, columns - 1)] = kOdd[uniform(random, 0, std::size(kOdd) - 1)];
  return row;
}

// One row by the definition.
struct Row {
  CodedRow coded = {0, 0};
  std::vector<uint8_t> codes;

  Row(const float* x, size_t columns, uint8_t most) : codes(bytes_of_codes(columns), 0) {
    float low = 0, high = 0;
    bool is_finite = true;
    for (size_t j = 0; j < columns; ++j) {
      is_finite = is_finite && std::isfinite(x[j]);
      low = x[j] < low ? x[j] : low;
      high = x[j] > high ? x[j] : high;
    }
    const float step = (high - low) / static_cast<float>(most);
    if (!is_finite || std::isinf(step)) coded.step = kNan;
    if (!is_finite || std::isinf(step) || step == 0) return;
    const CodeRange range = {0, most};
    coded = {step, plain_code(-low / step, range)};
    for (size_t j = 0; j < columns; ++j)
      codes[j] = plain_code(std::nearbyint(x[j] / step) + static_cast<float>(coded.zero_point), range);
  }
};

void check_rows(const char* name, quantize_rows_fn kernel, Random& random, size_t rows, size_t columns,
                Flush flush) {
  const auto most =
      static_cast<uint8_t>((1u << (uniform(random, 0, 1) == 0 ? 8 : uniform(random, 1, 8))) - 1);
  std::vector<float> x;
  for (size_t p = 0; p < rows; ++p)
    for (float value : random_row(random, columns)) x.push_back(value);
  Guarded<float> guarded_x(x, flush);
  Guarded<uint8_t> y(rows * bytes_of_codes(columns), flush);
  Guarded<CodedRow> coded(rows, flush);
  y.fill(0xA5);
  kernel({rows, columns, most}, guarded_x.data(), y.data(), coded.data());
  for (size_t p = 0; p < rows; ++p) {
    const Row wanted(x.data() + p * columns, columns, most);
    const std::string what = std::string(name) + ", " + std::to_string(columns) + " columns, step " +
                             std::to_string(wanted.coded.step) + ", at most " + std::to_string(most);
    expect(std::memcmp(&coded.data()[p], &wanted.coded, sizeof(CodedRow)) == 0, what);
    expect(std::equal(wanted.codes.begin(), wanted.codes.end(), y.data() + p * wanted.codes.size()), what);
  }
  ++checked;
}

void check_kernel(const char* name, Isa isa, quantize_rows_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(20240801);
  for (size_t columns : {0,  1,  2,  3,  7,  8,  9,  15, 16,  17,  23,  24,  31,  32,  33,  47,
                         48, 49, 63, 64, 65, 79, 80, 96, 127, 128, 129, 191, 192, 257, 384, 1000})
    for (size_t rows : {0, 1, 2, 7})
      for (size_t repeat = 0; repeat < kRepeats; ++repeat)
        for (Flush flush : {Flush::low, Flush::high}) check_rows(name, kernel, random, rows, columns, flush);
}

}  // namespace

int main() {
#define QC_QUANTIZE_ROWS(isa, name) check_kernel(#name, Isa::isa, name);
#include "kernels/quantize_rows/kernels.inc"
  return result(checked);
}
