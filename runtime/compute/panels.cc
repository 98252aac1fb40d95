#include "compute/panels.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace qc {
namespace {

constexpr size_t kTile = 16;  // floats of a cache line

// Runs are often a few floats long, where a call of memcpy takes longer than the copy: four at a time, the
// last four over again if need be.
inline void copy_floats(float* to, const float* from, size_t count) {
  constexpr size_t kFour = 4, kBytes = kFour * sizeof(float);
  if (count < kFour) {
    if (count > 0) to[0] = from[0];
    if (count > 1) to[1] = from[1];
    if (count > 2) to[2] = from[2];
    return;
  }
  for (size_t i = 0; i + kFour < count; i += kFour) std::memcpy(to + i, from + i, kBytes);
  std::memcpy(to + count - kFour, from + count - kFour, kBytes);
}

inline void zero_floats(float* to, size_t count) {
  constexpr float kZeros[16] = {};
  for (; count >= std::size(kZeros); count -= std::size(kZeros), to += std::size(kZeros))
    copy_floats(to, kZeros, std::size(kZeros));
  copy_floats(to, kZeros, count);
}

void zero_range(float* positions, int64_t begin, int64_t end) {
  if (begin < end) zero_floats(positions + begin, static_cast<size_t>(end - begin));
}

void zero_tail(const PanelBlock& block, float* panel) {
  for (size_t j = 0; j < block.columns; ++j)
    zero_floats(panel + j * block.stride + block.positions, block.stride - block.positions);
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
  for (size_t j = 0; j < block.columns; ++j) {
    const Column column = describe(block.group, block.first_column + j);
    float* const positions = panel + j * block.stride;
    is_shift() ? fill_shifted(block, column, positions) : fill_by_rows(block, column, positions);
  }
}

// With strides of one and rows as long as the image's, a column is the image shifted: one copy, whatever its
// rows.
bool ConvolutionPanels::is_shift() const {
  return convolution_.strides[0] == 1 && convolution_.strides[1] == 1 && sizes_.input[1] == sizes_.output[1];
}

ConvolutionPanels::Column ConvolutionPanels::describe(size_t group, size_t column) const {
  const auto kernel_width = static_cast<size_t>(convolution_.kernel[1]);
  const auto kernel_height = static_cast<size_t>(convolution_.kernel[0]);
  const auto kernel_column = static_cast<int64_t>(column % kernel_width);
  const auto kernel_row = static_cast<int64_t>(column / kernel_width % kernel_height);
  const size_t group_channels = convolution_.channels / convolution_.groups;
  const int64_t stride = convolution_.strides[1];
  const int64_t shift = kernel_column * convolution_.dilations[1] - convolution_.pads_begin[1];
  const int64_t last = sizes_.input[1] - 1 - shift;
  return {group * group_channels + column / kernel_width / kernel_height,
          kernel_row * convolution_.dilations[0] - convolution_.pads_begin[0], shift,
          shift >= 0 ? 0 : (-shift + stride - 1) / stride, last < 0 ? 0 : last / stride + 1};
}

// Positions whose input row is not in the image fall outside the plane; those whose input column is not there
// wrap into a neighbouring row, and become zeros afterwards.
void ConvolutionPanels::fill_shifted(const PanelBlock& block, const Column& column, float* positions) const {
  const int64_t width = sizes_.input[1], plane = width * sizes_.input[0],
                out_plane = width * sizes_.output[0];
  const int64_t shift = column.row_shift * width + column.column_shift;
  const int64_t inside_begin = std::min(column.inside_begin, width),
                inside_end = std::min(column.inside_end, width);
  auto image = static_cast<int64_t>(block.first_position) / out_plane;
  int64_t first = static_cast<int64_t>(block.first_position) % out_plane;
  for (auto left = static_cast<int64_t>(block.positions); left > 0; ++image, first = 0) {
    const int64_t count = std::min(out_plane - first, left);
    const int64_t begin = std::clamp<int64_t>(-first - shift, 0, count);
    const int64_t end = std::clamp(plane - first - shift, begin, count);
    const int64_t channels = static_cast<int64_t>(convolution_.channels),
                  channel = static_cast<int64_t>(column.channel);
    zero_range(positions, 0, begin);
    if (begin < end) {
      const float* source = x_ + (image * channels + channel) * plane + (first + begin + shift);
      copy_floats(positions + begin, source, static_cast<size_t>(end - begin));
    }
    zero_range(positions, end, count);
    for (int64_t row = -(first % width); row < count && (inside_begin > 0 || inside_end < width);
         row += width) {
      zero_range(positions, std::max<int64_t>(row, 0), std::min(row + inside_begin, count));
      zero_range(positions, std::max<int64_t>(row + inside_end, 0), std::min(row + width, count));
    }
    positions += count;
    left -= count;
  }
}

// Goes through the output rows that the block's positions lie in; runs are short, so nothing is divided in
// the loop.
void ConvolutionPanels::fill_by_rows(const PanelBlock& block, const Column& column, float* positions) const {
  const size_t width = static_cast<size_t>(sizes_.output[1]),
               plane = static_cast<size_t>(sizes_.input[1] * sizes_.input[0]);
  const size_t output_row = block.first_position / width;
  auto row = static_cast<int64_t>(output_row % static_cast<size_t>(sizes_.output[0]));
  size_t image = output_row / static_cast<size_t>(sizes_.output[0]);
  size_t first = block.first_position % width;
  for (size_t left = block.positions; left > 0; first = 0) {
    const size_t count = std::min(width - first, left);
    const int64_t input_row = row * convolution_.strides[0] + column.row_shift;
    if (input_row < 0 || input_row >= sizes_.input[0]) {
      zero_floats(positions, count);
    } else {
      const float* source =
          x_ + (image * convolution_.channels + column.channel) * plane + input_row * sizes_.input[1];
      fill_run(source, column, static_cast<int64_t>(first), static_cast<int64_t>(count), positions);
    }
    positions += count;
    left -= count;
    if (++row == sizes_.output[0]) row = 0, ++image;
  }
}

// Output columns [first, first + count) of one input row, zeros where the kernel is in the pad.
void ConvolutionPanels::fill_run(const float* source, const Column& column, int64_t first, int64_t count,
                                 float* run) const {
  const int64_t end = first + count;
  const int64_t inside_begin = std::clamp(column.inside_begin, first, end);
  const int64_t inside_end = std::clamp(column.inside_end, inside_begin, end);
  const int64_t stride = convolution_.strides[1];
  const auto before = static_cast<size_t>(inside_begin - first),
             inside = static_cast<size_t>(inside_end - inside_begin);
  zero_floats(run, before);
  if (inside > 0) {
    const float* from = source + inside_begin * stride + column.column_shift;
    if (stride == 1) {
      copy_floats(run + before, from, inside);
    } else {
      for (size_t i = 0; i < inside; ++i) run[before + i] = from[static_cast<int64_t>(i) * stride];
    }
  }
  zero_floats(run + before + inside, static_cast<size_t>(end - inside_end));
}

}  // namespace qc
