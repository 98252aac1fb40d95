#include "compute/panels.h"

#include <algorithm>

namespace qc {
namespace {

constexpr size_t kTile = 16;  // floats of a cache line

void zero_tail(const PanelBlock& block, float* panel) {
  for (size_t j = 0; j < block.columns; ++j)
    std::fill(panel + j * block.stride + block.positions, panel + (j + 1) * block.stride, 0.0f);
}

}  // namespace

// Transposes x in tiles of a cache line each way, so that each line is fetched once.
void MatMulPanels::fill(const PanelBlock& block, float* panel) const {
  zero_tail(block, panel);
  for (size_t j0 = 0; j0 < block.columns; j0 += kTile) {
    const size_t columns = std::min(kTile, block.columns - j0);
    for (size_t p = 0; p < block.positions; ++p) {
      const float* row = x_ + (block.first_position + p) * k_ + block.first_column + j0;
      for (size_t j = 0; j < columns; ++j) panel[(j0 + j) * block.stride + p] = row[j];
    }
  }
}

void ConvolutionPanels::fill(const PanelBlock& block, float* panel) const {
  zero_tail(block, panel);
  for (size_t j = 0; j < block.columns; ++j)
    fill_column(block, block.first_column + j, panel + j * block.stride);
}

// The input row that `kernel_row` sees from `image_row` (an output row counted through the batch), null in
// the pad.
const float* ConvolutionPanels::source_row(size_t image_row, size_t channel, int64_t kernel_row) const {
  const auto rows = static_cast<size_t>(sizes_.output[0]);
  const size_t image = image_row / rows;
  const auto out = static_cast<int64_t>(image_row % rows);
  const int64_t row =
      out * convolution_.strides[0] - convolution_.pads_begin[0] + kernel_row * convolution_.dilations[0];
  if (row < 0 || row >= sizes_.input[0]) return nullptr;
  const size_t plane = image * convolution_.channels + channel;
  const size_t height = static_cast<size_t>(sizes_.input[0]), width = static_cast<size_t>(sizes_.input[1]);
  return x_ + (plane * height + static_cast<size_t>(row)) * width;
}

void ConvolutionPanels::fill_column(const PanelBlock& block, size_t column, float* positions) const {
  const auto kernel_width = static_cast<size_t>(convolution_.kernel[1]);
  const auto kernel_height = static_cast<size_t>(convolution_.kernel[0]);
  const auto kernel_column = static_cast<int64_t>(column % kernel_width);
  const auto kernel_row = static_cast<int64_t>(column / kernel_width % kernel_height);
  const size_t group_channels = convolution_.channels / convolution_.groups;
  const size_t channel = block.group * group_channels + column / kernel_width / kernel_height;
  const auto width = static_cast<size_t>(sizes_.output[1]);
  const size_t end = block.first_position + block.positions;
  for (size_t position = block.first_position; position < end;) {
    const size_t first = position % width;
    const size_t count = std::min(width - first, end - position);
    const float* source = source_row(position / width, channel, kernel_row);
    copy_run(source, kernel_column, static_cast<int64_t>(first), static_cast<int64_t>(count), positions);
    positions += count;
    position += count;
  }
}

// Output columns [first, first + count) of one input row, zeros where the kernel is in the pad.
void ConvolutionPanels::copy_run(const float* source, int64_t kernel_column, int64_t first, int64_t count,
                                 float* run) const {
  if (source == nullptr) {
    std::fill(run, run + count, 0.0f);
    return;
  }
  const int64_t stride = convolution_.strides[1];
  const int64_t shift = kernel_column * convolution_.dilations[1] - convolution_.pads_begin[1];
  // The outputs whose input column, out * stride + shift, lies within the row.
  const int64_t begin = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
  const int64_t last = sizes_.input[1] - 1 - shift;
  const int64_t end = last < 0 ? 0 : last / stride + 1;
  const int64_t inside_begin = std::clamp(begin, first, first + count);
  const int64_t inside_end = std::clamp(end, inside_begin, first + count);
  std::fill(run, run + (inside_begin - first), 0.0f);
  float* to = run + (inside_begin - first);
  if (inside_begin < inside_end) {
    const float* from = source + inside_begin * stride + shift;
    const int64_t inside = inside_end - inside_begin;
    if (stride == 1) {
      std::copy(from, from + inside, to);
    } else {
      for (int64_t i = 0; i < inside; ++i) to[i] = from[i * stride];
    }
  }
  std::fill(run + (inside_end - first), run + count, 0.0f);
}

}  // namespace qc
