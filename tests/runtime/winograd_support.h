// The matrices of exact integer Winograd, written again, and weights that go to their ends.
#pragma once

#include "base/integer_weight.h"
#include "integer_support.h"

namespace qc::test {

inline constexpr int64_t kA[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};
inline constexpr int64_t kB[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
inline constexpr int64_t kG[4][3] = {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}};

// L m L^T at position p of 4 x 4, `m` being size x size.
template <size_t size>
inline int64_t transformed(const int64_t (&l)[4][size], const int64_t* m, size_t p) {
  int64_t sum = 0;
  for (size_t i = 0; i < size; ++i)
    for (size_t j = 0; j < size; ++j) sum += l[p / 4][i] * l[p % 4][j] * m[i * size + j];
  return sum;
}

inline size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

// What the weights of a test are like.
enum class Weights { any, least, most, alternating, chequered };
inline constexpr Weights kWeights[] = {Weights::any, Weights::least, Weights::most, Weights::alternating,
                                       Weights::chequered};

struct WinogradWeight {
  size_t outputs, channels, bits;
  std::vector<uint8_t> codes;  // [outputs, 9, channels]
  std::vector<int8_t> entries;
  std::vector<float> scale, bias;
  Guarded<uint8_t> tiles;
  Guarded<int8_t> codebook;
  IntegerWeight weight;

  WinogradWeight(Random& random, size_t outputs_, size_t channels_, size_t bits_, size_t x_bits,
                 size_t x_zero_point, Weights kind, bool has_codebook, int largest, Flush flush)
      : outputs(outputs_),
        channels(channels_),
        bits(bits_),
        codes(make_codes(random, outputs * 9 * channels, (1u << bits) - 1, kind)),
        entries(make_entries(random, has_codebook ? size_t{1} << bits : 0, largest)),
        scale(normal_floats(random, outputs)),
        bias(normal_floats(random, outputs)),
        tiles(pack(), flush),
        codebook(entries, flush) {
    for (float& value : scale) value *= 0.02f;
    IntegerWeightClaim claim;
    claim.bits = static_cast<int64_t>(bits);
    claim.x_bits = static_cast<int64_t>(x_bits);
    claim.x_zero_point = static_cast<int64_t>(x_zero_point);
    claim.weight_shape = Shape{as_size(outputs), as_size(channels), 3, 3};
    claim.indices = {true, ElementType::uint8, {as_size(tiles.size())}, tiles.data()};
    claim.codebook = {true, ElementType::int8, has_codebook ? Shape{1, as_size(codebook.size())} : Shape{0},
                      codebook.data()};
    claim.scale = {true, ElementType::float32, {as_size(outputs)}, scale.data()};
    claim.bias = {true, ElementType::float32, {as_size(outputs)}, bias.data()};
    std::string error = check_integer_attributes(claim);
    if (error.empty()) error = check_integer_weight(claim, 1, &weight);
    expect(error.empty(), "a valid weight was refused: " + error);
  }

  // Of any kernel that is not all in range.
  bool fits() const {
    for (size_t i = 0; i < outputs * channels; ++i) {
      int64_t g[9];
      for (size_t k = 0; k < 9; ++k) g[k] = at(i / channels, k, i % channels);
      for (size_t p = 0; p < 16; ++p)
        if (transformed(kG, g, p) < -128 || transformed(kG, g, p) > 127) return false;
    }
    return true;
  }

 private:
  static int64_t as_size(size_t size) { return static_cast<int64_t>(size); }
  int64_t at(size_t output, size_t k, size_t c) const {
    const uint8_t code = codes[(output * 9 + k) * channels + c];
    return entries.empty() ? int64_t{code} - (1 << (bits - 1)) : entries[code];
  }
  std::vector<uint8_t> make_codes(Random& random, size_t count, unsigned most, Weights kind) const {
    std::vector<uint8_t> made(count);
    for (size_t i = 0; i < count; ++i) {
      const size_t k = i / channels % 9;
      const unsigned code = kind == Weights::least         ? 0
                            : kind == Weights::most        ? most
                            : kind == Weights::alternating ? (k % 3 == 1 ? most : 0)
                            : kind == Weights::chequered   ? (k % 2 == 1 ? 0 : most)
                                                           : static_cast<unsigned>(uniform(random, 0, most));
      made[i] = static_cast<uint8_t>(code);
    }
    return made;
  }
  static std::vector<int8_t> make_entries(Random& random, size_t count, int largest) {
    std::vector<int8_t> made(count);
    for (int8_t& entry : made)
      entry = static_cast<int8_t>(static_cast<int>(uniform(random, 0, static_cast<size_t>(2 * largest))) -
                                  largest);
    return made;
  }
  std::vector<uint8_t> pack() const {
    const size_t columns = 9 * channels, padded = divide_up(columns, 16) * 16;
    std::vector<uint8_t> ordered(divide_up(outputs, 16) * 16 * padded, 0);
    for (size_t output = 0; output < outputs; ++output)
      for (size_t j = 0; j < columns; ++j)
        ordered[(output / 16 * padded + j / 4 * 4) * 16 + output % 16 * 4 + j % 4] =
            codes[output * columns + j];
    return pack_tiles(ordered, bits);
  }
};

}  // namespace qc::test
