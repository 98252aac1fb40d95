#include "compute/integer_winograd.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/scratch.h"
#include "kernels/integer_winograd/matrices.h"

namespace qc {
namespace {

constexpr size_t kMostXBits = 6;  // 4 * 63 is a byte
constexpr int kSmallWeight = 14;  // 9 * 14 is a byte
constexpr size_t kTaps = 9, kTileOutputs = 4;
constexpr size_t kSumPosition = 5;   // [1, 1]: the one with no offset
constexpr size_t kVectorBytes = 64;  // 16 outputs x 4 channels

size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }

using Taps = std::array<int32_t, kTaps>;
using Positions = std::array<int32_t, kWinogradPositions>;

Positions transform(const Taps& taps) {
  int32_t rows[4][3];
  for (size_t i = 0; i < 4; ++i)
    for (size_t v = 0; v < 3; ++v)
      rows[i][v] =
          kWinogradG[i][0] * taps[v] + kWinogradG[i][1] * taps[3 + v] + kWinogradG[i][2] * taps[6 + v];
  Positions positions;
  for (size_t p = 0; p < kWinogradPositions; ++p) {
    const auto& row = rows[p / 4];
    const auto& g = kWinogradG[p % 4];
    positions[p] = g[0] * row[0] + g[1] * row[1] + g[2] * row[2];
  }
  return positions;
}

bool are_bytes(const Positions& positions) {
  const auto [least, most] = std::minmax_element(positions.begin(), positions.end());
  return *least >= INT8_MIN && *most <= INT8_MAX;
}

// Of a decoded vector of outputs. Those of padding count too: they may only cost time.
bool are_small(const int8_t* panel, size_t channels) {
  int8_t least = 0, most = 0;
  for (size_t i = 0; i < kTaps * channels * kTileLanes; ++i) {
    least = std::min(least, panel[i]);
    most = std::max(most, panel[i]);
  }
  return least >= -kSmallWeight && most <= kSmallWeight;
}

// Whether all transformed weights of one of its outputs are bytes.
bool fits(const int8_t* panel, size_t lane, size_t channels) {
  for (size_t c = 0; c < channels; ++c) {
    const int8_t* const weight = panel + c / 4 * kVectorBytes + lane * 4 + c % 4;
    Taps taps;
    for (size_t k = 0; k < kTaps; ++k) taps[k] = weight[k * channels / 4 * kVectorBytes];
    if (!are_bytes(transform(taps))) return false;
  }
  return true;
}

// The sums of its weights over all channels.
Taps add_channels(const int8_t* panel, size_t lane, size_t channels) {
  Taps sums = {};
  for (size_t k = 0; k < kTaps; ++k) {
    const int8_t* weight = panel + k * channels / 4 * kVectorBytes + lane * 4;
    for (size_t c = 0; c < channels; c += 4, weight += kVectorBytes)
      sums[k] += weight[0] + weight[1] + weight[2] + weight[3];
  }
  return sums;
}

// What the offset adds to the sums of the four outputs is taken off. Unsigned: sums may wrap around.
void fill_starts(const IntegerLayer& layer, size_t output, const Taps& taps, IntegerWinograd* winograd) {
  const Positions sums = transform(taps);
  for (size_t ab = 0; ab < kTileOutputs; ++ab) {
    auto start = static_cast<uint32_t>(layer.starts[output]) * 4;
    for (size_t p = 0; p < kWinogradPositions; ++p) {
      if (p == kSumPosition) continue;
      const int factor = kWinogradA[ab / 2][p / 4] * kWinogradA[ab % 2][p % 4] * winograd->offset;
      start -= static_cast<uint32_t>(factor) * static_cast<uint32_t>(sums[p]);
    }
    winograd->starts[ab * layer.weight.outputs + output] = static_cast<int32_t>(start);
  }
}

bool has_such_a_kernel(const Convolution& c) {
  using Pair = std::array<int64_t, 2>;
  return c.groups == 1 && c.channels % 4 == 0 && c.kernel == Pair{3, 3} && c.strides == Pair{1, 1} &&
         c.dilations == Pair{1, 1};
}

bool fill_all_starts(const IntegerLayer& layer, IntegerWinograd* winograd) {
  const size_t channels = layer.weight.columns / kTaps;
  const Scratch scratch(vector_panel_bytes(layer.weight) / sizeof(float));
  auto* const panel = reinterpret_cast<int8_t*>(scratch.data());
  for (size_t i = 0; i < output_vectors(layer.weight); ++i) {
    const OutputBlock block = output_vector(layer.weight, i);
    layer.decode.run(layer.weight.tiles, block.panel, panel);
    const bool small = are_small(panel, channels);
    for (size_t lane = 0; lane < block.outputs; ++lane) {
      if (!small && !fits(panel, lane, channels)) return false;
      fill_starts(layer, block.first_output + lane, add_channels(panel, lane, channels), winograd);
    }
  }
  return true;
}

}  // namespace

IntegerWinograd make_integer_winograd(const IntegerLayer& layer, const Convolution& convolution, Isa isa) {
  IntegerWinograd winograd = {false, get_integer_winograd(isa), 0, {}};
  const IntegerWeight& weight = layer.weight;
  if (!has_such_a_kernel(convolution) || weight.x_bits > kMostXBits ||
      weight.x_zero_point >= size_t{1} << weight.x_bits)
    return winograd;
  winograd.offset = static_cast<uint8_t>(2 * ((size_t{1} << weight.x_bits) - 1));
  winograd.starts.resize(kTileOutputs * weight.outputs);
  winograd.is_exact = fill_all_starts(layer, &winograd);
  if (!winograd.is_exact) winograd.starts = {};
  return winograd;
}

// By cycles, as they were measured on a processor with two dot products of 64 bytes a cycle. A step is that
// of four channels and 16 outputs: a position of y takes nine dot products directly, a tile 16; to transform
// its weights takes 60. A tile takes 20, 45 for each 64 channels to transform, and 40 for the sums of 16
// outputs.
bool is_winograd_faster(const IntegerWinograd& winograd, const IntegerLayer& layer,
                        const IntegerGeometry& geometry) {
  if (!winograd.is_exact || winograd.kernels.run == integer_winograd_scalar) return false;
  const auto rows = static_cast<double>(geometry.output[0]),
             columns = static_cast<double>(geometry.output[1]);
  const auto batch = static_cast<double>(geometry.batch);
  const double positions = batch * rows * columns;
  const double tiles = batch * std::ceil(rows / 2) * std::ceil(columns / 2);
  const auto vectors = static_cast<double>(divide_up(layer.weight.outputs, kTileLanes));
  const auto blocks = static_cast<double>(divide_up(geometry.channels, kVectorBytes));
  const double steps = static_cast<double>(geometry.channels) / 4 * vectors;
  const double saved = steps * (9 * positions - 16 * tiles) / 2;
  return saved > 60 * steps + tiles * (20 + 45 * blocks + 40 * vectors);
}

}  // namespace qc
