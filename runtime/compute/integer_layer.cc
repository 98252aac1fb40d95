#include "compute/integer_layer.h"

#include <algorithm>
#include <cmath>

#include "base/scratch.h"
#include "kernels/decode/tiles_scalar.h"

namespace qc {
namespace {

constexpr float kSmall = 1e9f;  // below 2^31 whatever the rounding of the bound itself
constexpr size_t kFewRows = 8;
constexpr size_t kMixedBits = 4;  // see integer_gemv.h

size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }

size_t vectors_of_group(const IntegerWeight& weight) {
  return divide_up(weight.outputs / weight.groups, kTileLanes);
}

size_t blocks_of_group(const IntegerWeight& weight) {
  return divide_up(vectors_of_group(weight), kPanelVectors);
}

void add_sums(const IntegerLayer& layer, const OutputBlock& block, int8_t* panel,
              std::vector<int32_t>* sums) {
  layer.decode.run(layer.weight.tiles, block.panel, panel);
  for (size_t j = 0; j < layer.weight.columns; ++j) {
    const int8_t* const column = panel + j / 4 * block.vectors * 4 * kTileLanes + j % 4;
    for (size_t i = 0; i < block.outputs; ++i) (*sums)[block.first_output + i] += column[i * 4];
  }
}

std::vector<int32_t> sums_of_weights(const IntegerLayer& layer) {
  const IntegerWeight& weight = layer.weight;
  std::vector<int32_t> sums(weight.outputs, 0);
  if (weight.is_depthwise) {
    for (size_t i = 0; i < weight.outputs * weight.columns; ++i)
      sums[i % weight.outputs] += integer_weight_at(weight.tiles, i, i % weight.outputs);
    return sums;
  }
  const Scratch panel(divide_up(weight.columns, kTileLanes) * kTileCodes * kPanelVectors / sizeof(float));
  for (size_t i = 0; i < output_blocks(weight); ++i)
    add_sums(layer, output_block(weight, i), reinterpret_cast<int8_t*>(panel.data()), &sums);
  return sums;
}

float largest_value(const IntegerWeight& weight) {
  const float sum = static_cast<float>(weight.columns) * 255.0f * 128.0f;
  float largest = 0;
  for (size_t i = 0; i < weight.outputs; ++i)
    largest = std::max(largest, sum * std::abs(weight.scale[i]) + std::abs(weight.bias[i]));
  return largest;
}

int largest_entry(const TiledWeight& tiles, size_t outputs) {
  const size_t entries = size_t{1} << tiles.bits;
  if (tiles.codebook == nullptr) return static_cast<int>(entries / 2);
  int largest = 0;
  for (size_t i = 0; i < divide_up(outputs, tiles.outputs_per_codebook) * entries; ++i)
    largest = std::max(largest, std::abs(static_cast<int>(tiles.codebook[i])));
  return largest;
}

// Beyond the edge x is the zero point, whatever x_bits says.
size_t count_short_steps(const IntegerWeight& weight) {
  constexpr int kMost = 32767, kEnough = 64;
  const int largest_x = std::max((1 << weight.x_bits) - 1, static_cast<int>(weight.x_zero_point));
  const int pair = 2 * largest_x * largest_entry(weight.tiles, weight.outputs);
  return static_cast<size_t>(pair == 0 ? kEnough : std::min(kMost / pair, kEnough));
}

// Many large codebooks are decoded one by one, so only once.
size_t choose_few_rows(const IntegerWeight& weight, const IntegerGemv& kernel) {
  if (kernel.run == integer_gemv_scalar) return 0;
  const bool one_per_vector = weight.tiles.codebook == nullptr ||
                              weight.tiles.outputs_per_codebook % kTileLanes == 0 ||
                              weight.tiles.outputs_per_codebook == weight.outputs;
  return one_per_vector || weight.tiles.bits <= kMixedBits ? kFewRows : 0;
}

}  // namespace

IntegerLayer make_integer_layer(const IntegerWeight& weight, Isa isa) {
  IntegerLayer layer = {weight,
                        get_decode_panel(isa),
                        get_integer_gemm(isa),
                        get_integer_gemv(isa),
                        choose_few_rows(weight, get_integer_gemv(isa)),
                        count_short_steps(weight),
                        largest_value(weight),
                        {}};
  if (weight.x_zero_point == 0) {
    layer.starts.assign(weight.outputs, 0);
    return layer;
  }
  layer.starts = sums_of_weights(layer);
  for (int32_t& start : layer.starts) start *= -static_cast<int32_t>(weight.x_zero_point);
  return layer;
}

void copy_operands(const IntegerLayer& layer, const OutputBlock& block, OutputOperands* operands) {
  *operands = {};
  std::copy_n(layer.starts.data() + block.first_output, block.outputs, operands->start);
  std::copy_n(layer.weight.scale + block.first_output, block.outputs, operands->scale);
  std::copy_n(layer.weight.bias + block.first_output, block.outputs, operands->bias);
}

IntegerResults results_of(const IntegerLayer& layer, const OutputBlock& block, const OutputOperands& operands,
                          const IntegerOutput& output, size_t position) {
  const size_t stride = layer.weight.outputs, at = position * stride + block.first_output;
  const bool is_small = layer.largest + 255.0f * std::abs(output.residual_scale) < kSmall;
  return {static_cast<uint8_t*>(output.y) + at * (output.is_float ? sizeof(float) : 1),
          output.is_float,
          stride,
          block.outputs,
          operands.start,
          operands.scale,
          operands.bias,
          output.residual == nullptr ? nullptr : output.residual + at,
          output.residual_scale,
          output.range.least,
          output.range.most,
          is_small,
          output.rows == nullptr ? nullptr : output.rows + position};
}

void skip_positions(size_t positions, IntegerResults* results) {
  const size_t elements = positions * results->y_stride;
  results->y = static_cast<uint8_t*>(results->y) + elements * (results->is_float ? sizeof(float) : 1);
  if (results->residual != nullptr) results->residual += elements;
  if (results->rows != nullptr) results->rows += positions;
}

size_t output_blocks(const IntegerWeight& weight) { return weight.groups * blocks_of_group(weight); }

// Blocks of a group differ by at most one vector: a block of one alone would wait for its own sums.
OutputBlock output_block(const IntegerWeight& weight, size_t index) {
  const size_t vectors = vectors_of_group(weight), blocks = blocks_of_group(weight);
  const size_t group_outputs = weight.outputs / weight.groups;
  const size_t group = index / blocks, block = index % blocks;
  const size_t first = block * vectors / blocks, end = (block + 1) * vectors / blocks;
  const size_t tiles = divide_up(weight.columns, kTileLanes);
  const size_t first_output = group * group_outputs + first * kTileLanes;
  const size_t outputs = std::min(end * kTileLanes, group_outputs) - first * kTileLanes;
  return {first_output,
          outputs,
          end - first,
          {(group * vectors + first) * tiles, tiles, end - first, first_output, first_output + outputs - 1}};
}

BytesAhead codes_behind(const IntegerWeight& weight, const OutputBlock& block) {
  const size_t tile_bytes = kTileCodes / 8 * weight.tiles.bits,
               tiles = block.panel.tiles * block.panel.vectors;
  const size_t first = block.panel.first_tile + tiles, end = std::min(first + tiles, weight.tiles.tile_count);
  return {weight.tiles.tiles + first * tile_bytes, (end - first) * tile_bytes};
}

size_t output_vectors(const IntegerWeight& weight) { return vectors_of_group(weight); }

OutputBlock output_vector(const IntegerWeight& weight, size_t index) {
  const size_t tiles = divide_up(weight.columns, kTileLanes), first = index * kTileLanes;
  const size_t outputs = std::min(kTileLanes, weight.outputs - first);
  return {first, outputs, 1, {index * tiles, tiles, 1, first, first + outputs - 1}};
}

size_t vector_panel_bytes(const IntegerWeight& weight) {
  return divide_up(weight.columns, kTileLanes) * kTileCodes;
}

}  // namespace qc
