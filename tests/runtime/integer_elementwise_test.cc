// Kernels of codes, bit for bit against their definitions, with all operands between guard pages; and the
// pooling of whole images, pads and all.
#include "compute/integer_elementwise.h"

#include <algorithm>

#include "compute/integer_max_pool.h"
#include "integer_support.h"
#include "kernels/decode_tiles/decode_tiles.h"

using namespace qc;
using namespace qc::test;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr size_t kCounts[] = {0,  1,  2,  3,  7,  8,  15, 16,  17,  31,  32,  33,  47,
                              48, 49, 63, 64, 65, 79, 80, 127, 128, 129, 191, 192, 257};
constexpr Flush kFlushes[] = {Flush::low, Flush::high};

size_t checked = 0;

CodeRange random_range(Random& random) {
  const size_t least = uniform(random, 0, 1) == 0 ? 0 : uniform(random, 0, 255);
  return {static_cast<uint8_t>(least), static_cast<uint8_t>(uniform(random, least, 255))};
}

// Ties, limits and what is no number, among others.
std::vector<float> awkward_floats(Random& random, size_t count) {
  constexpr float kAwkward[] = {kNan,   kInfinity,     -kInfinity,     3e38f,  -3e38f,
                                0.5f,   1.5f,          2.5f,           -0.5f,  254.5f,
                                255.5f, 4294967296.0f, -2147483648.0f, 1e-45f, -0.0f};
  std::vector<float> values = normal_floats(random, count);
  for (float& value : values) {
    if (uniform(random, 0, 1) == 0) {
      value = kAwkward[uniform(random, 0, std::size(kAwkward) - 1)];
    } else {
      value *= 100;
    }
  }
  return values;
}

void check_quantize(const char* name, quantize_input_fn kernel, Random& random, size_t positions,
                    size_t channels, Flush flush) {
  const size_t pitch = positions + uniform(random, 0, 1) * 3;
  const CodeRange range = random_range(random);
  const bool plain = uniform(random, 0, 1) == 0;
  Guarded<float> scale(plain ? std::vector<float>(channels, 1.0f) : normal_floats(random, channels), flush);
  Guarded<float> bias(plain ? std::vector<float>(channels, 0.0f) : normal_floats(random, channels), flush);
  const ImageToQuantize image = {positions,   channels,    pitch,     scale.data(),
                                 bias.data(), range.least, range.most};
  const size_t size = channels == 0 || positions == 0 ? 0 : (channels - 1) * pitch + positions;
  const std::vector<float> x = awkward_floats(random, size);
  Guarded<float> guarded_x(x, flush);
  Guarded<uint8_t> y(positions * channels, flush);
  kernel(image, guarded_x.data(), y.data());
  for (size_t p = 0; p < positions; ++p)
    for (size_t c = 0; c < channels; ++c)
      expect(y.data()[p * channels + c] ==
                 plain_code(x[c * pitch + p] * scale.data()[c] + bias.data()[c], range),
             std::string(name) + ", " + std::to_string(channels) + " channels, x " +
                 std::to_string(x[c * pitch + p]));
  ++checked;
}

void check_quantize_input(const char* name, Isa isa, quantize_input_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(1);
  for (size_t positions : kCounts)
    for (size_t channels : {0, 1, 2, 3, 4, 5, 7, 8, 17})
      for (Flush flush : kFlushes) check_quantize(name, kernel, random, positions, channels, flush);
}

// Half of the scales make ties, or results beyond what an int32 holds.
float awkward_scale(Random& random) {
  constexpr float kScales[] = {0.5f, -0.5f, 1.0f, 1e30f, -1e30f, 3e38f, 0.0f};
  return uniform(random, 0, 1) == 0 ? normal_floats(random, 1)[0] : kScales[uniform(random, 0, 6)];
}

void check_integer_add(const char* name, Isa isa, integer_add_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(2);
  for (int repeat = 0; repeat < 8; ++repeat)
    for (size_t count : kCounts)
      for (Flush flush : kFlushes) {
        const CodeRange range = random_range(random);
        const CodesToAdd sum = {awkward_scale(random), awkward_scale(random), awkward_scale(random),
                                range.least, range.most};
        const std::vector<uint8_t> a = random_codes(random, count), b = random_codes(random, count);
        Guarded<uint8_t> guarded_a(a, flush), guarded_b(b, flush), y(count, flush);
        kernel(sum, count, guarded_a.data(), guarded_b.data(), y.data());
        for (size_t i = 0; i < count; ++i) {
          const float scaled_a = a[i] * sum.a_scale, scaled_b = b[i] * sum.b_scale, v = scaled_a + scaled_b;
          expect(y.data()[i] == plain_code(v + sum.bias, range), std::string(name) + ", a code");
        }
        ++checked;
      }
}

void check_integer_average(const char* name, Isa isa, integer_average_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(3);
  for (size_t positions : {1, 2, 3, 49, 256, 257, 258, 700})
    for (size_t channels : kCounts)
      for (Flush flush : kFlushes) {
        const CodeRange range = random_range(random);
        const ImageToAverage image = {positions,   channels,  awkward_scale(random), awkward_scale(random),
                                      range.least, range.most};
        std::vector<uint8_t> x = random_codes(random, positions * channels);
        if (uniform(random, 0, 3) == 0) std::fill(x.begin(), x.end(), uint8_t{255});
        Guarded<uint8_t> guarded_x(x, flush), y(channels, flush);
        kernel(image, guarded_x.data(), y.data());
        for (size_t c = 0; c < channels; ++c) {
          int32_t sum = 0;
          for (size_t p = 0; p < positions; ++p) sum += x[p * channels + c];
          const float mean = static_cast<float>(sum) / static_cast<float>(positions),
                      scaled = mean * image.scale;
          expect(y.data()[c] == plain_code(scaled + image.bias, range), std::string(name) + ", a mean");
        }
        ++checked;
      }
}

void check_pooled_row(const char* name, integer_max_pool_fn kernel, Random& random, size_t channels,
                      size_t size, Flush flush) {
  const size_t rows = size == 0 ? uniform(random, 1, 4) : size,
               columns = size == 0 ? uniform(random, 1, 5) : size;
  const size_t outputs = uniform(random, 0, 6), stride = uniform(random, 1, 3);
  const size_t width = outputs * stride + columns;
  const WindowsToPool windows = {rows, columns, width * channels, stride * channels, outputs, channels};
  const size_t reach = (rows - 1) * width + (outputs == 0 ? 0 : (outputs - 1) * stride) + columns;
  const std::vector<uint8_t> x = random_codes(random, reach * channels);
  Guarded<uint8_t> guarded_x(x, flush), y(outputs * channels, flush);
  kernel(windows, guarded_x.data(), y.data());
  for (size_t i = 0; i < outputs * channels; ++i) {
    uint8_t largest = 0;
    for (size_t u = 0; u < rows; ++u)
      for (size_t v = 0; v < columns; ++v)
        largest = std::max(largest, x[((u * width) + i / channels * stride + v) * channels + i % channels]);
    expect(y.data()[i] == largest, std::string(name) + ", a window");
  }
  ++checked;
}

void check_integer_max_pool(const char* name, Isa isa, integer_max_pool_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(4);
  for (size_t channels : kCounts)
    for (size_t size : {0, 0, 1, 2, 3})
      for (Flush flush : kFlushes) check_pooled_row(name, kernel, random, channels, size, flush);
}

void check_integer_table(const char* name, Isa isa, integer_table_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(5);
  for (size_t count : kCounts)
    for (Flush flush : kFlushes) {
      const std::vector<uint8_t> table = random_codes(random, 256), x = random_codes(random, count);
      Guarded<uint8_t> guarded_table(table, flush), guarded_x(x, flush), y(count, flush);
      kernel(count, guarded_table.data(), guarded_x.data(), y.data());
      for (size_t i = 0; i < count; ++i) expect(y.data()[i] == table[x[i]], std::string(name) + ", a code");
      ++checked;
    }
}

void check_decode_tiles(const char* name, Isa isa, decode_tiles_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(6);
  for (size_t bits = 1; bits <= 8; ++bits)
    for (size_t codebooks : {0, 1, 2, 5})
      for (Flush flush : kFlushes) {
        const size_t outputs = 10 * uniform(random, 1, 40), entries = size_t{1} << bits;
        std::vector<uint8_t> codes = random_codes(random, outputs * uniform(random, 1, 9));
        for (uint8_t& code : codes) code = static_cast<uint8_t>(code & (entries - 1));
        std::vector<int8_t> books(codebooks * entries);
        for (int8_t& entry : books) entry = static_cast<int8_t>(random());
        Guarded<uint8_t> tiles(pack_tiles(codes, bits), flush);
        Guarded<int8_t> guarded_books(books, flush), weights(tiles.size() * 8 / bits, flush);
        const TiledWeight weight = {tiles.data(), tiles.size() / (32 * bits), bits,
                                    codebooks == 0 ? nullptr : guarded_books.data(),
                                    codebooks == 0 ? outputs : outputs / codebooks};
        kernel(weight, outputs, weights.data());
        for (size_t i = 0; i < codes.size(); ++i) {
          const int wanted = codebooks == 0
                                 ? codes[i] - (1 << (bits - 1))
                                 : books[i % outputs / weight.outputs_per_codebook * entries + codes[i]];
          expect(weights.data()[i] == wanted, std::string(name) + ", " + std::to_string(bits) + " bits");
        }
        ++checked;
      }
}

// Whole images: the largest code of the part of each window that lies in the image.
void check_pooled_images(Random& random, Isa isa) {
  const auto pick = [&](size_t low, size_t high) { return static_cast<int64_t>(uniform(random, low, high)); };
  Pooling pooling = {2, {pick(1, 5), pick(1, 5)}, {pick(1, 4), pick(1, 4)}, {}, {}};
  Shape shape = {pick(0, 2), 0, 0, pick(1, 70)};
  for (size_t axis = 0; axis < 2; ++axis) {
    pooling.pads_begin[axis] = pick(0, static_cast<size_t>(pooling.kernel[axis] - 1));
    pooling.pads_end[axis] = pick(0, static_cast<size_t>(pooling.kernel[axis] - 1));
    shape[axis + 1] = pick(1, 12);
  }
  PoolingSizes sizes;
  if (!check_pooling_input(pooling, shape, &sizes).empty()) return;
  const std::vector<uint8_t> x =
      random_codes(random, static_cast<size_t>(shape[0] * shape[1] * shape[2] * shape[3]));
  Guarded<uint8_t> guarded_x(x, Flush::high),
      y(static_cast<size_t>(shape[0] * sizes.output[0] * sizes.output[1] * shape[3]), Flush::high);
  max_pool(get_integer_max_pool(isa), pooling, sizes, guarded_x.data(), y.data(), run_tasks_backwards);
  for (size_t place = 0; place < y.size(); ++place) {
    auto i = static_cast<int64_t>(place);
    const int64_t c = i % shape[3], column = (i /= shape[3]) % sizes.output[1],
                  row = (i /= sizes.output[1]) % sizes.output[0], image = i / sizes.output[0];
    uint8_t largest = 0;
    for (int64_t u = 0; u < pooling.kernel[0]; ++u)
      for (int64_t v = 0; v < pooling.kernel[1]; ++v) {
        const int64_t p = row * pooling.strides[0] + u - pooling.pads_begin[0],
                      q = column * pooling.strides[1] + v - pooling.pads_begin[1];
        if (p < 0 || p >= shape[1] || q < 0 || q >= shape[2]) continue;
        largest =
            std::max(largest, x[static_cast<size_t>(((image * shape[1] + p) * shape[2] + q) * shape[3] + c)]);
      }
    expect(y.data()[place] == largest, "a pooled image");
  }
  ++checked;
}

// Sizes at which tasks end.
void check_tasks(Random& random, Isa isa) {
  const QuantizeInput quantize = get_quantize_input(isa);
  for (size_t positions : {1000, 50000, 200001}) {
    constexpr float kScales[] = {10.0f, 20.0f, 30.0f}, kBiases[] = {100.0f, 110.0f, 120.0f};
    const ImageToQuantize image = {positions, 3, positions, kScales, kBiases, 0, 255};
    const std::vector<float> x = normal_floats(random, 2 * 3 * positions);
    std::vector<uint8_t> found(x.size()), wanted(x.size());
    quantize_images(quantize, image, 2, x.data(), found.data(), run_tasks_backwards);
    for (size_t i = 0; i < 2; ++i)
      quantize.run(image, x.data() + i * 3 * positions, wanted.data() + i * 3 * positions);
    expect(found == wanted, "tasks of quantize_input");
    ++checked;
  }
  const size_t count = (size_t{1} << 19) + 5;
  const std::vector<uint8_t> a = random_codes(random, count), table = random_codes(random, 256);
  std::vector<uint8_t> found(count), wanted(count);
  look_up(get_integer_table(isa), count, table.data(), a.data(), found.data(), run_tasks_backwards);
  get_integer_table(isa).run(count, table.data(), a.data(), wanted.data());
  expect(found == wanted, "tasks of integer_table");
  const CodesToAdd sum = {0.5f, 0.25f, 3.0f, 2, 250};
  add_codes(get_integer_add(isa), sum, count, a.data(), found.data(), wanted.data(), run_tasks_backwards);
  std::vector<uint8_t> one(count);
  get_integer_add(isa).run(sum, count, a.data(), found.data(), one.data());
  expect(one == wanted, "tasks of integer_add");
  const ImageToAverage image = {49, 700, 1.0f, 0.0f, 0, 255};
  std::vector<uint8_t> means(10 * 700), wanted_means(10 * 700);
  average_images(get_integer_average(isa), image, 10, a.data(), means.data(), run_tasks_backwards);
  for (size_t i = 0; i < 10; ++i)
    get_integer_average(isa).run(image, a.data() + i * 49 * 700, wanted_means.data() + i * 700);
  expect(means == wanted_means, "tasks of integer_average");
  checked += 3;
}

}  // namespace

int main() {
#define QC_QUANTIZE_INPUT(isa, name) check_quantize_input(#name, Isa::isa, name);
#include "kernels/quantize_input/kernels.inc"
#define QC_INTEGER_ADD(isa, name) check_integer_add(#name, Isa::isa, name);
#include "kernels/integer_add/kernels.inc"
#define QC_INTEGER_AVERAGE(isa, name) check_integer_average(#name, Isa::isa, name);
#include "kernels/integer_average/kernels.inc"
#define QC_INTEGER_MAX_POOL(isa, name) check_integer_max_pool(#name, Isa::isa, name);
#include "kernels/integer_max_pool/kernels.inc"
#define QC_INTEGER_TABLE(isa, name) check_integer_table(#name, Isa::isa, name);
#include "kernels/integer_table/kernels.inc"
#define QC_DECODE_TILES(isa, name) check_decode_tiles(#name, Isa::isa, name);
#include "kernels/decode_tiles/kernels.inc"
  for (Isa isa : available_isas()) {
    Random random(9);
    for (int i = 0; i < 300; ++i) check_pooled_images(random, isa);
    check_tasks(random, isa);
  }
  return result(checked);
}
