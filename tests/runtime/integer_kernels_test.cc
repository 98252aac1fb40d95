// Every integer kernel against the scalar one, bit for bit, with all operands between guard pages.
#include <algorithm>

#include "base/isa.h"
#include "kernels/decode_panel/decode_panel.h"
#include "kernels/integer_gemm/integer_gemm.h"
#include "kernels/integer_gemv/integer_gemv.h"
#include "support.h"

using namespace qc;
using namespace qc::test;

namespace {

constexpr int kRepeats = 3;
size_t checked = 0;

bool is_available(Isa isa) {
  const auto& isas = available_isas();
  return std::find(isas.begin(), isas.end(), isa) != isas.end();
}

template <typename T>
std::vector<T> random_integers(Random& random, size_t count, size_t low = 0, size_t high = 255) {
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(uniform(random, low, high));
  return values;
}

// Bytes of one kind only, now and then: the largest sums, of either sign.
template <typename T>
std::vector<T> random_bytes(Random& random, size_t count) {
  constexpr size_t kExtremes[] = {0, 127, 128, 255};
  if (uniform(random, 0, 3) > 0) return random_integers<T>(random, count);
  return std::vector<T>(count, static_cast<T>(kExtremes[uniform(random, 0, 3)]));
}

// Tiles of one group of outputs, and of what comes before and after it.
struct RandomTiles {
  PanelOfWeights block;
  Guarded<uint8_t> tiles;
  Guarded<int8_t> codebook;
  TiledWeight weight;

  RandomTiles(Random& random, size_t bits, size_t vectors, bool many_codebooks, Flush flush)
      : block(random_block(random, vectors)),
        tiles(random_bytes<uint8_t>(random, (block.first_tile + vectors * block.tiles) * 32 * bits), flush),
        codebook(random_bytes<int8_t>(random, random_codebooks(random, many_codebooks) << bits), flush) {
    const size_t codebooks = codebook.size() >> bits, outputs = block.last_output + 1;
    const size_t each = codebooks == 0 ? 1 : (outputs + codebooks - 1) / codebooks;
    weight = {tiles.data(), tiles.size() / 32 / bits, bits, codebooks == 0 ? nullptr : codebook.data(), each};
  }

 private:
  static PanelOfWeights random_block(Random& random, size_t vectors) {
    const size_t first_output = 16 * uniform(random, 0, 2) + uniform(random, 0, 1) * 5;
    return {uniform(random, 0, 3), uniform(random, 1, 6), vectors, first_output,
            first_output + 16 * (vectors - 1) + uniform(random, 0, 15)};
  }
  size_t random_codebooks(Random& random, bool many) const {
    if (many) return block.last_output + 1 - uniform(random, 0, block.last_output / 2);
    return uniform(random, 0, 1);
  }
};

std::string described(const char* name, size_t bits, const PanelOfWeights& block) {
  return std::string(name) + ", " + std::to_string(bits) + " bits, " + std::to_string(block.tiles) +
         " tiles, " + std::to_string(block.vectors) + " vectors";
}

void check_panel(const char* name, decode_panel_fn kernel, Random& random, size_t bits, size_t vectors,
                 bool many_codebooks, Flush flush) {
  const RandomTiles source(random, bits, vectors, many_codebooks, flush);
  const size_t bytes = 256 * source.block.tiles * vectors;
  Guarded<int8_t> found(bytes, flush), wanted(bytes, flush);
  kernel(source.weight, source.block, found.data());
  decode_panel_scalar(source.weight, source.block, wanted.data());
  expect(std::memcmp(found.data(), wanted.data(), bytes) == 0, described(name, bits, source.block));
  ++checked;
}

// The results of a kernel, as bytes: y was filled with a pattern, so what must not be written shows.
struct RandomResults {
  size_t outputs, positions, y_stride;
  bool is_float, has_residual, is_small;
  float residual_scale;
  uint8_t y_min, y_max;
  Guarded<int32_t> start;
  Guarded<float> scale, bias;
  Guarded<uint8_t> residual;
  bool has_rows;  // with a step and a zero point each
  Guarded<CodedRow> rows;
  Flush flush;

  RandomResults(Random& random, size_t vectors, size_t positions_, Flush flush_)
      : outputs(16 * (vectors - 1) + std::min<size_t>(16, uniform(random, 1, 24))),
        positions(positions_),
        y_stride(outputs + uniform(random, 0, 1) * uniform(random, 1, 40)),
        is_float(uniform(random, 0, 3) == 0),
        has_residual(uniform(random, 0, 1) == 0),
        is_small(uniform(random, 0, 3) > 0),
        residual_scale(normal_floats(random, 1)[0]),
        y_min(static_cast<uint8_t>(uniform(random, 0, 1) * uniform(random, 0, 100))),
        y_max(static_cast<uint8_t>(255 - uniform(random, 0, 1) * uniform(random, 0, 100))),
        start(random_integers<int32_t>(random, 16 * vectors, 0, 1000), flush_),
        scale(floats(random, vectors, is_small ? 0.005f : 1e33f), flush_),
        bias(floats(random, vectors, is_small ? 100.0f : 3e38f), flush_),
        residual(random_integers<uint8_t>(random, size()), flush_),
        has_rows(is_float && uniform(random, 0, 1) == 0),
        rows(random_rows(random, positions), flush_),
        flush(flush_) {
    if (!is_small && uniform(random, 0, 1) == 0) residual_scale = -3e38f;  // infinities of both signs: NaN
    for (size_t i = 0; i < 16 * vectors; i += 3) {
      if (is_small) scale.data()[i] = 0.5f, bias.data()[i] = 0;  // ties
    }
  }

  size_t size() const { return positions == 0 ? 0 : (positions - 1) * y_stride + outputs; }
  IntegerResults view(void* y) {
    return {y,
            is_float,
            y_stride,
            outputs,
            start.data(),
            scale.data(),
            bias.data(),
            has_residual ? residual.data() : nullptr,
            residual_scale,
            y_min,
            y_max,
            is_small,
            has_rows ? rows.data() : nullptr};
  }
  // Calls kernel(results) and gives the bytes of y.
  template <typename Kernel>
  std::vector<uint8_t> run(const Kernel& kernel) {
    Guarded<uint8_t> y(size() * (is_float ? 4 : 1), flush);
    y.fill(0xA5);
    kernel(view(y.data()));
    return std::vector<uint8_t>(y.data(), y.data() + y.size());
  }

 private:
  static std::vector<CodedRow> random_rows(Random& random, size_t count) {
    std::vector<CodedRow> rows(count);
    for (CodedRow& row : rows)
      row = {uniform(random, 0, 9) == 0 ? kNan : normal_floats(random, 1)[0],
             static_cast<int32_t>(uniform(random, 0, 255))};
    return rows;
  }
  static std::vector<float> floats(Random& random, size_t vectors, float factor) {
    std::vector<float> values = normal_floats(random, 16 * vectors);
    for (float& value : values) value = std::clamp(value, -1.0f, 1.0f) * factor;
    return values;
  }
};

// Within [least, most]; those ends in a third of all calls only, so that sums get as large as they can.
template <typename T>
std::vector<T> extreme_bytes(Random& random, size_t count, int least, int most) {
  std::vector<T> bytes = random_integers<T>(random, count, least, most);
  if (uniform(random, 0, 2) > 0) return bytes;
  const bool mixed = uniform(random, 0, 1) == 0;
  for (T& byte : bytes) byte = static_cast<T>(mixed && byte % 2 == 0 ? most : least == 0 ? most : least);
  return bytes;
}

void check_gemm(const char* name, integer_gemm_fn kernel, Random& random, size_t vectors, size_t positions,
                Flush flush) {
  const bool is_shared = uniform(random, 0, 2) == 0;  // a run is three rows: a kernel of three columns
  const size_t runs = uniform(random, 0, 4),
               run_bytes = is_shared ? 12 * uniform(random, 1, 3) : 4 * uniform(random, 1, 9);
  const size_t stride = is_shared ? run_bytes / 3 : uniform(random, 0, 50);
  std::vector<size_t> offsets = random_integers<size_t>(random, runs, 0, 200);
  if (runs > 0) offsets[uniform(random, 0, runs - 1)] = 200;
  const size_t x_bytes = runs == 0 || positions == 0 ? 0 : (positions - 1) * stride + 200 + run_bytes;
  const int largest_x = (1 << uniform(random, 1, 8)) - 1, largest_w = 1 << uniform(random, 0, 7);
  Guarded<uint8_t> x(extreme_bytes<uint8_t>(random, x_bytes, 0, largest_x), flush);
  const size_t panel_bytes = runs * run_bytes * 16 * vectors;
  Guarded<int8_t> panel(extreme_bytes<int8_t>(random, panel_bytes, -largest_w, std::min(largest_w, 127)),
                        flush);
  Guarded<size_t> guarded_offsets(offsets, flush);
  RandomResults results(random, vectors, positions, flush);
  Guarded<int32_t> position_start(random_integers<int32_t>(random, positions, 0, 1000), flush);
  const IntegerRows rows = {x.data(),
                            positions,
                            stride,
                            guarded_offsets.data(),
                            runs,
                            run_bytes,
                            uniform(random, 0, 1) == 0 ? nullptr : position_start.data(),
                            static_cast<size_t>(32767 / (2 * largest_x * largest_w)),
                            {x.data(), uniform(random, 0, 1) * uniform(random, 0, 5000)}};
  const auto run = [&](integer_gemm_fn any) {
    return results.run([&](const IntegerResults& view) { any(panel.data(), vectors, rows, view); });
  };
  expect(run(kernel) == run(integer_gemm_scalar),
         std::string(name) + ", " + std::to_string(positions) + " positions, " + std::to_string(runs) +
             " runs of " + std::to_string(run_bytes) + ", " + std::to_string(results.outputs) + " outputs");
  ++checked;
}

void check_gemv(const char* name, integer_gemv_fn kernel, Random& random, size_t bits, size_t vectors,
                size_t m, bool many_codebooks, Flush flush) {
  const RandomTiles source(random, bits, vectors, many_codebooks, flush);
  const size_t width = 16 * source.block.tiles, stride = width + uniform(random, 0, 1) * 7;
  Guarded<uint8_t> x(random_bytes<uint8_t>(random, (m - 1) * stride + width), flush);
  RandomResults results(random, vectors, m, flush);
  results.outputs = source.block.last_output - source.block.first_output + 1;
  results.y_stride = std::max(results.y_stride, results.outputs);
  Guarded<uint8_t> residual(random_integers<uint8_t>(random, results.size()), flush);
  const auto run = [&](integer_gemv_fn any) {
    return results.run([&](IntegerResults view) {
      if (view.residual != nullptr) view.residual = residual.data();
      any(source.weight, source.block, m, x.data(), stride, view);
    });
  };
  expect(run(kernel) == run(integer_gemv_scalar),
         described(name, bits, source.block) + ", " + std::to_string(m) + " rows");
  ++checked;
}

template <typename Check>
void for_each_weight(Random& random, const char* name, Isa isa, const Check& check) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  for (size_t bits = 1; bits <= 8; ++bits)
    for (size_t vectors = 1; vectors <= kPanelVectors; ++vectors)
      for (bool many : {false, true})
        for (int repeat = 0; repeat < kRepeats; ++repeat)
          for (Flush flush : {Flush::low, Flush::high}) check(random, bits, vectors, many, flush);
}

void check_panels(const char* name, Isa isa, decode_panel_fn kernel) {
  Random random(20240601);
  for_each_weight(random, name, isa, [&](Random& r, size_t bits, size_t vectors, bool many, Flush flush) {
    check_panel(name, kernel, r, bits, vectors, many, flush);
  });
}

void check_gemvs(const char* name, Isa isa, integer_gemv_fn kernel) {
  constexpr size_t kMixedBits = 4;
  Random random(20240602);
  for_each_weight(random, name, isa, [&](Random& r, size_t bits, size_t vectors, bool many, Flush flush) {
    for (size_t m = 1; m <= kIntegerGemvRows; ++m)
      if (!many || bits <= kMixedBits) check_gemv(name, kernel, r, bits, vectors, m, many, flush);
  });
}

void check_gemms(const char* name, Isa isa, integer_gemm_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(20240603);
  for (size_t vectors = 1; vectors <= kPanelVectors; ++vectors)
    for (size_t positions = 0; positions <= 50; ++positions)
      for (int repeat = 0; repeat < 2 * kRepeats; ++repeat)
        for (Flush flush : {Flush::low, Flush::high})
          check_gemm(name, kernel, random, vectors, positions, flush);
}

}  // namespace

int main() {
#define QC_DECODE_PANEL(isa, name) check_panels(#name, Isa::isa, name);
#include "kernels/decode_panel/kernels.inc"
#define QC_INTEGER_GEMM(isa, name) check_gemms(#name, Isa::isa, name);
#include "kernels/integer_gemm/kernels.inc"
#define QC_INTEGER_GEMV(isa, name) check_gemvs(#name, Isa::isa, name);
#include "kernels/integer_gemv/kernels.inc"
  return result(checked);
}
