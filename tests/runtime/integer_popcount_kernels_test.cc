// The kernels that count bits against their definition, bit for bit, on every instruction set of this
// machine; operands lie between guard pages.
#include "integer_support.h"
#include "kernels/integer_gemm/scalar.h"
#include "kernels/integer_popcount/dispatch.h"

using namespace qc;
using namespace qc::test;

namespace {

constexpr int kWords = 150, kRuns = 300;  // of each instruction set
size_t checked = 0;

Flush any_flush(Random& random) { return uniform(random, 0, 1) == 0 ? Flush::low : Flush::high; }
int64_t any(Random& random, size_t low, size_t high) {
  return static_cast<int64_t>(uniform(random, low, high));
}

// Which bit of a word column c is: even columns are the low byte.
size_t bit_of(size_t c) { return c % 2 * 8 + c / 2; }

void check_pack(Random& random, Isa isa) {
  const size_t count = uniform(random, 0, 200), planes = uniform(random, 1, 3);
  const size_t bytes = (count + 15) / 16 * 2, stride = bytes + uniform(random, 0, 5);
  const std::vector<uint8_t> codes = random_codes(random, count);
  Guarded<uint8_t> x(codes, any_flush(random)), found((planes - 1) * stride + bytes, any_flush(random));
  found.fill(0xA5);
  get_integer_popcount(isa).pack(x.data(), count, planes, found.data(), stride);
  std::vector<uint8_t> wanted(found.size(), 0xA5);
  for (size_t q = 0; q < planes; ++q) {
    std::fill_n(wanted.begin() + static_cast<std::ptrdiff_t>(q * stride), bytes, uint8_t{0});
    for (size_t c = 0; c < count; ++c)
      if (codes[c] >> q & 1)
        wanted[q * stride + c / 16 * 2 + bit_of(c % 16) / 8] |= static_cast<uint8_t>(1 << bit_of(c % 16) % 8);
  }
  expect(std::memcmp(found.data(), wanted.data(), wanted.size()) == 0,
         std::string("pack on ") + isa_name(isa));
  ++checked;
}

void check_sums(Random& random, Isa isa) {
  const size_t count = uniform(random, 0, 20), words = uniform(random, 1, 20), planes = uniform(random, 1, 3);
  const size_t bytes = count * words * 2, stride = bytes + uniform(random, 0, 5);
  Guarded<uint8_t> packed(random_codes(random, (planes - 1) * stride + bytes), any_flush(random));
  Guarded<int32_t> found(count, any_flush(random));
  get_integer_popcount(isa).sum(packed.data(), count, words, planes, stride, found.data());
  for (size_t i = 0; i < count; ++i) {
    int32_t sum = 0;
    for (size_t q = 0; q < planes; ++q)
      for (size_t b = 0; b < words * 16; ++b)
        sum += (packed.data()[q * stride + i * words * 2 + b / 8] >> b % 8 & 1) << q;
    expect(found.data()[i] == sum, std::string("sums on ") + isa_name(isa));
  }
  ++checked;
}

void check_weights(Random& random, Isa isa) {
  const size_t words = uniform(random, 1, 9), runs = uniform(random, 1, 5), pairs = (words + 1) / 2;
  const size_t vectors = uniform(random, 1, 4), first = uniform(random, 0, 3), tiles = runs * words;
  const std::vector<uint8_t> bytes = random_codes(random, (first + vectors * tiles) * 32);
  Guarded<uint8_t> packed(bytes, any_flush(random));
  Guarded<uint32_t> panel(runs * pairs * vectors * 16, Flush::high);
  panel.fill(0xA5A5A5A5);
  const TiledWeight weight = {packed.data(), first + vectors * tiles, 1, nullptr, 16 * vectors};
  get_integer_popcount(isa).unpack_weights(weight, {first, tiles, vectors, 0, 16 * vectors - 1}, words,
                                           panel.data());
  std::vector<uint32_t> wanted(panel.size(), 0);
  for (size_t i = 0; i < vectors * tiles * 256; ++i) {
    const size_t byte = (first * 256 + i) / 256 * 32 + i % 32, v = i / 256 / tiles, tile = i / 256 % tiles;
    const size_t lane = i % 64 / 4, column = i % 256 / 64 * 4 + i % 4, word = tile % words;
    if (bytes[byte] >> i % 256 / 32 & 1)
      wanted[((tile / words * pairs + word / 2) * vectors + v) * 16 + lane] |=
          1u << (bit_of(column) + word % 2 * 16);
  }
  expect(std::memcmp(panel.data(), wanted.data(), wanted.size() * 4) == 0,
         std::string("weights on ") + isa_name(isa));
  ++checked;
}

// What a kernel is given, and y.
struct Run {
  size_t vectors, outputs, positions, words, runs, planes, stride, plane_stride;
  std::vector<size_t> offsets;

  explicit Run(Random& random)
      : vectors(uniform(random, 1, 4)),
        outputs(16 * (vectors - 1) + uniform(random, 1, 16)),
        positions(uniform(random, 0, 30)),
        words(uniform(random, 0, 2) == 0 ? uniform(random, 1, 80) : uniform(random, 1, 9)),
        runs(uniform(random, 1, 4)),
        planes(uniform(random, 1, 3)),
        stride(2 * uniform(random, 1, words + 2)) {
    for (size_t u = 0; u < runs; ++u) offsets.push_back(2 * uniform(random, 0, 40));
    plane_stride = plane_bytes() + uniform(random, 0, 70);
  }
  size_t pairs() const { return (words + 1) / 2; }
  size_t plane_bytes() const {
    return *std::max_element(offsets.begin(), offsets.end()) + positions * stride + 4 * pairs();
  }
};

// Of the codes whose weight has code 1.
int32_t sum_of(const Run& run, const uint8_t* x, const uint32_t* panel, size_t position, size_t output) {
  int32_t sum = 0;
  for (size_t q = 0; q < run.planes; ++q)
    for (size_t u = 0; u < run.runs; ++u)
      for (size_t b = 0; b < run.words * 16; ++b) {
        const size_t pair = (u * run.pairs() + b / 32) * run.vectors + output / 16;
        const int w = panel[pair * 16 + output % 16] >> b % 32 & 1;
        const uint8_t byte = x[q * run.plane_stride + position * run.stride + run.offsets[u] + b / 8];
        sum += (byte >> b % 8 & 1) * w << q;
      }
  return sum;
}

void check_run(Random& random, Isa isa) {
  const Run run(random);
  const Flush flush = any_flush(random);
  Guarded<uint8_t> x(random_codes(random, (run.planes - 1) * run.plane_stride + run.plane_bytes()), flush);
  const size_t lanes = 16 * run.vectors, stride = run.outputs + uniform(random, 0, 3);
  alignas(64) static uint32_t panel[4 * 40 * 4 * 16];
  for (size_t i = 0; i < run.runs * run.pairs() * lanes; ++i) {
    const bool has_second = run.words % 2 == 0 || i / lanes % run.pairs() + 1 < run.pairs();
    panel[i] = static_cast<uint32_t>(random()) & (has_second ? 0xffffffffu : 0xffffu);
  }
  std::vector<int32_t> start(lanes), low(lanes), step(lanes);
  for (size_t i = 0; i < lanes; ++i) {
    start[i] = static_cast<int32_t>(any(random, 0, 2000)) - 1000;
    low[i] = static_cast<int32_t>(any(random, 0, 255)) - 128;
    step[i] = static_cast<int32_t>(any(random, 0, 255)) - 128 - low[i];
  }
  Guarded<int32_t> starts(start, flush), lows(low, flush), steps(step, flush);
  Guarded<float> scale(normal_floats(random, lanes), flush), bias(normal_floats(random, lanes), flush);
  for (size_t i = 0; i < lanes; ++i) scale.data()[i] *= 0.01f;
  const size_t size = run.positions == 0 ? 0 : (run.positions - 1) * stride + run.outputs;
  const bool is_float = uniform(random, 0, 2) == 0;
  Guarded<uint8_t> residual(random_codes(random, size), flush);
  Guarded<uint8_t> found(size * (is_float ? 4 : 1), flush), wanted(found.size(), flush);
  found.fill(0xA5), wanted.fill(0xA5);
  IntegerResults results = {found.data(),  is_float,
                            stride,        run.outputs,
                            starts.data(), scale.data(),
                            bias.data(),   uniform(random, 0, 1) ? residual.data() : nullptr,
                            0.25f,         3,
                            250,           uniform(random, 0, 1) == 0};
  const PopcountRows rows = {x.data(), run.positions, run.stride, run.offsets.data(),
                             run.runs, run.words,     run.planes, run.plane_stride};
  Guarded<int32_t> sums(run.positions, flush);
  for (size_t p = 0; p < run.positions; ++p) sums.data()[p] = static_cast<int32_t>(uniform(random, 0, 9999));
  get_integer_popcount(isa).run(panel, run.vectors, rows, {lows.data(), steps.data(), sums.data()}, results);
  results.y = wanted.data();
  for (size_t p = 0; p < run.positions; ++p)
    for (size_t i = 0; i < run.outputs; ++i)
      store_result(results, p, i,
                   start[i] + low[i] * sums.data()[p] + step[i] * sum_of(run, x.data(), panel, p, i));
  expect(std::memcmp(found.data(), wanted.data(), found.size()) == 0, std::string("run on ") + isa_name(isa));
  ++checked;
}

}  // namespace

int main() {
  for (Isa isa : available_isas()) {
    Random random(20240703);
    for (int i = 0; i < kWords; ++i)
      check_pack(random, isa), check_sums(random, isa), check_weights(random, isa);
    for (int i = 0; i < kRuns; ++i) check_run(random, isa);
  }
  return result(checked);
}
