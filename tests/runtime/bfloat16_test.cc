// Rounding to bfloat16 on every instruction set, and its products: every kernel of their tables, between
// guard pages, also for numbers at the ends of the range.
#include "base/isa.h"
#include "kernels/codebook_gemm_bfloat16/codebook_gemm_bfloat16.h"
#include "kernels/round_bfloat16/round_bfloat16.h"
#include "support.h"

using namespace qc;
using namespace qc::test;

namespace {

constexpr size_t kColumns[] = {1,  2,  3,  15, 16, 17,  31,  32,  33,
                               47, 48, 63, 64, 65, 127, 257, 511, kGemmColumns};
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kLeastNormal = std::numeric_limits<float>::min();

size_t checked = 0;

bool is_available(Isa isa) {
  for (Isa available : available_isas())
    if (available == isa) return true;
  return false;
}

uint32_t bits_of(float v) {
  uint32_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  return bits;
}

float float_of(uint32_t bits) {
  float v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}

// Every upper half with the lower halves around a tie and at the ends: all exponents, infinities, NaN.
std::vector<float> adversarial_floats() {
  std::vector<float> values;
  for (uint32_t upper = 0; upper < 0x10000; ++upper)
    for (uint32_t lower : {0x0000u, 0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu})
      values.push_back(float_of(upper << 16 | lower));
  return values;
}

void check_rounded(const char* name, const std::vector<float>& values, const float* found) {
  for (size_t i = 0; i < values.size(); ++i) {
    const float wanted = nearest_bfloat16(values[i]);
    const bool right = std::isnan(wanted) ? std::isnan(found[i]) && (bits_of(found[i]) & 0xffffu) == 0
                                          : bits_of(found[i]) == bits_of(wanted);
    expect(right, std::string(name) + " of " + std::to_string(values[i]));
  }
  ++checked;
}

void check_rounding(const char* name, Isa isa, round_bfloat16_fn round) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  const std::vector<float> values = adversarial_floats();
  Guarded<float> all(values, Flush::high);
  round(1, values.size(), all.data());
  check_rounded(name, values, all.data());
  Random random(3);
  for (size_t columns = 0; columns <= 40; ++columns) {
    for (Flush flush : {Flush::low, Flush::high}) {
      const size_t rows = uniform(random, 1, 3);
      const std::vector<float> some = normal_floats(random, rows * columns);
      Guarded<float> x(some, flush);
      round(rows, columns, x.data());
      check_rounded(name, some, x.data());
    }
  }
}

// What is taken as zero may be lost: an element of x that is denormal, or was before it was rounded, times
// its weight, and the sum itself at each of its steps.
struct FlushedReference : Reference {
  double lost = 0;

  void add(float x, double w) {
    Reference::add(static_cast<double>(x), w);
    lost += 2 * kLeastNormal + (std::abs(static_cast<double>(x)) <= kLeastNormal ? std::abs(x * w) : 0.0);
  }
  bool allows(float found, size_t k) const {
    if (!std::isfinite(sum)) return std::isnan(sum) ? std::isnan(found) : static_cast<double>(found) == sum;
    const double bound = 1.01 * (static_cast<double>(k + 2) * std::ldexp(magnitude, -24) + lost);
    return std::abs(static_cast<double>(found) - sum) <= bound;
  }
};

struct Kernels {
  const char* name;
  pack_pairs_fn pack;
  codebook_gemm_fn run;
};

using Values = std::vector<float> (*)(Random&, size_t);

// Small enough that no sum overflows; one in four is denormal, or near it.
std::vector<float> small_floats(Random& random, size_t count) {
  std::vector<float> values = normal_floats(random, count);
  for (float& v : values)
    if (uniform(random, 0, 3) == 0) v = std::ldexp(v, -static_cast<int>(uniform(random, 120, 140)));
  return values;
}

// Some are infinite or not a number, or become infinite when they are rounded.
std::vector<float> special_floats(Random& random, size_t count) {
  constexpr float kSpecial[] = {kInfinity, -kInfinity, kNan, 3.4e38f, -3.4e38f, 0.0f, -0.0f};
  std::vector<float> values = normal_floats(random, count);
  for (float& v : values)
    if (uniform(random, 0, 99) == 0) v = kSpecial[uniform(random, 0, 6)];
  return values;
}

// The inner block of a weight: rows and columns around it must not be taken for its own.
void check_block(const Kernels& kernels, Random& random, size_t bits, size_t columns, Flush flush,
                 Values values) {
  const size_t groups = uniform(random, 1, 3), rows = groups * uniform(random, 1, 12);
  const size_t first_column = 16 * uniform(random, 0, 2), first_row = uniform(random, 0, rows - 1);
  RandomWeight weight(random, rows, first_column + columns + uniform(random, 0, 1) * 5, bits, groups);
  weight.round_codebook();
  const size_t stride = 16 * uniform(random, 1, 9);
  const GemmBlock block = {
      first_row, rows - first_row, first_column, columns, 16 * uniform(random, 1, stride / 16), stride};
  Guarded<uint8_t> packed(weight.packed, flush);
  Guarded<float> codebook(weight.codebook, flush);
  const std::vector<float> x = values(random, columns * stride);
  const std::vector<float> before = normal_floats(random, block.rows * stride);
  Guarded<float> panel(x, flush), sums(before, flush);
  kernels.pack(columns, stride, panel.data());
  const size_t pairs = (columns + 1) / 2 * stride;
  Guarded<float> ready(std::vector<float>(panel.data(), panel.data() + pairs),
                       flush);  // and not a float more
  kernels.run(weight.view(packed.data(), codebook.data()), block, ready.data(), sums.data());
  for (size_t i = 0; i < block.rows; ++i) {
    for (size_t p = 0; p < stride; ++p) {
      FlushedReference reference;
      reference.add(before[i * stride + p], 1);
      for (size_t j = 0; j < columns; ++j)
        reference.add(nearest_bfloat16(x[j * stride + p]), weight.at(first_row + i, first_column + j));
      const float found = sums.data()[i * stride + p];
      const bool inside = p < block.positions;
      expect(inside ? reference.allows(found, columns) : found == before[i * stride + p],
             std::string(kernels.name) + ", " + std::to_string(bits) + " bits, " + std::to_string(columns) +
                 " columns" + (inside ? "" : ", beyond the positions"));
    }
  }
  ++checked;
}

// Pairs as they are defined: rounded numbers, of denormal ones either that or zero.
void check_pairs(const Kernels& kernels, Isa isa) {
  if (!is_available(isa)) return;
  std::vector<float> x = adversarial_floats();
  const size_t stride = 16, columns = x.size() / stride - 1;  // an odd number
  x.resize(columns * stride);
  Guarded<float> panel(x, Flush::high);
  kernels.pack(columns, stride, panel.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t j = i / stride, p = i % stride;
    const uint32_t pair = bits_of(panel.data()[j / 2 * stride + p]);
    const float found = float_of(j % 2 == 0 ? pair << 16 : pair & 0xffff0000u),
                wanted = nearest_bfloat16(x[i]);
    const bool denormal = x[i] != 0 && std::abs(static_cast<double>(x[i])) < kLeastNormal;
    expect(std::isnan(wanted) ? std::isnan(found) : found == wanted || (denormal && found == 0),
           std::string(kernels.name) + ", a pair of " + std::to_string(x[i]));
    if (j + 1 == columns) expect(pair >> 16 == 0, std::string(kernels.name) + ", a pair without a second");
  }
  ++checked;
}

void check_products(const Kernels& kernels, Isa isa) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", kernels.name));
  Random random(20240506);
  for (size_t bits = 1; bits <= 8; ++bits)
    for (size_t columns : kColumns)
      for (Values values : {&normal_floats, &small_floats, &special_floats})
        for (Flush flush : {Flush::low, Flush::high})
          check_block(kernels, random, bits, columns, flush, values);
}

}  // namespace

int main() {
#define QC_ROUND_BFLOAT16(isa, name) check_rounding(#name, Isa::isa, name);
#include "kernels/round_bfloat16/kernels.inc"
#define QC_CODEBOOK_GEMM_BFLOAT16(isa, pack, run) \
  check_pairs({#run, pack, run}, Isa::isa);       \
  check_products({#run, pack, run}, Isa::isa);
#include "kernels/codebook_gemm_bfloat16/kernels.inc"
  return result(checked);
}
