#include "compute/integer_positions.h"

#include <algorithm>
#include <cstring>

namespace qc {
namespace {

constexpr size_t kBandBytes = size_t{96} << 10;  // stays in the second-level cache beside the weights
constexpr size_t kPatchesBytes = size_t{12} << 10;
constexpr size_t kAlignment = 64;
constexpr size_t kSlack = 16;  // behind a copy: runs are read to a multiple of four bytes

size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }
size_t aligned(size_t bytes) { return divide_up(bytes, kAlignment) * kAlignment; }
size_t as_size(int64_t value) { return static_cast<size_t>(value); }

// `size` in parts of at most `most`, all but the last of them alike.
size_t part_of(size_t size, size_t most) {
  return size == 0 ? 1 : divide_up(size, divide_up(size, std::max<size_t>(1, most)));
}

// Mostly the pad of a row: shorter than a call of memset takes.
void fill(uint8_t* to, uint8_t byte, size_t count) {
  constexpr size_t kAtOnce = 16, kMost = 256;
  if (count > kMost) return static_cast<void>(std::memset(to, byte, count));
  for (; count >= kAtOnce; count -= kAtOnce, to += kAtOnce) std::memset(to, byte, kAtOnce);
  if (count > 0) std::memset(to, byte, count);
}

bool has_single_pixels(const IntegerGeometry& g) {
  return !g.is_padded && g.kernel[0] * g.kernel[1] == 1 && g.strides[0] * g.strides[1] == 1;
}

}  // namespace

bool is_product(const IntegerGeometry& g) { return has_single_pixels(g) && g.channels == g.group_channels; }

IntegerGeometry flattened(IntegerGeometry g) {
  if (!has_single_pixels(g)) return g;
  g.input = g.output = {1, static_cast<int64_t>(g.batch) * g.output[0] * g.output[1]};
  g.batch = 1;
  return g;
}

IntegerGeometry geometry_of_product(size_t m, size_t k) {
  const std::array<int64_t, 2> pixels = {1, static_cast<int64_t>(m)}, one = {1, 1};
  return {1, k, k, pixels, pixels, one, one, one, {0, 0}, false};
}

IntegerGeometry geometry_of(const Convolution& convolution, const ConvolutionSizes& sizes) {
  const auto& begin = convolution.pads_begin;
  const auto& end = convolution.pads_end;
  const bool is_padded = begin[0] > 0 || begin[1] > 0 || end[0] > 0 || end[1] > 0;
  return {sizes.batch,
          convolution.channels,
          convolution.channels / convolution.groups,
          sizes.input,
          sizes.output,
          convolution.kernel,
          convolution.strides,
          convolution.dilations,
          begin,
          is_padded};
}

IntegerPositions::IntegerPositions(const IntegerGeometry& geometry, const uint8_t* x, uint8_t x_zero_point,
                                   size_t most)
    : reading_(choose_reading(geometry)), geometry_(flattened(geometry)), x_(x), x_zero_point_(x_zero_point) {
  choose_block(most);
  row_blocks_ = divide_up(as_size(geometry_.output[0]), rows_);
  column_blocks_ = divide_up(as_size(geometry_.output[1]), columns_);
}

IntegerPositions::Reading IntegerPositions::choose_reading(const IntegerGeometry& g) {
  const bool whole_dwords = g.group_channels % 4 == 0;
  const bool is_dilated = (g.kernel[0] > 1 && g.dilations[0] > 1) || (g.kernel[1] > 1 && g.dilations[1] > 1);
  if (whole_dwords && !g.is_padded) return Reading::direct;
  return is_dilated ? Reading::gathered : Reading::band;
}

// Whole rows if they fit; what is copied fits kBandBytes, if one position does.
void IntegerPositions::choose_block(size_t most) {
  const size_t all_rows = as_size(geometry_.output[0]), all_columns = as_size(geometry_.output[1]);
  const auto fitting = [&](size_t size, size_t axis) {  // outputs whose input takes `size` pixels
    const size_t kernel = as_size(geometry_.kernel[axis]), stride = as_size(geometry_.strides[axis]);
    return size < kernel ? 1 : (size - kernel) / stride + 1;
  };
  const size_t pixels = reading_ == Reading::band ? kBandBytes / geometry_.group_channels : SIZE_MAX;
  columns_ = part_of(all_columns, std::min(most, fitting(pixels / as_size(geometry_.kernel[0]), 1)));
  const size_t row_pixels = pixels / pixels_of(columns_, 1);
  rows_ = part_of(all_rows, std::min(std::max<size_t>(1, most / columns_), fitting(row_pixels, 0)));
}

PositionBlock IntegerPositions::block_at(size_t index) const {
  const size_t first_column = index % column_blocks_ * columns_;
  const size_t first_row = index / column_blocks_ % row_blocks_ * rows_;
  return {index / column_blocks_ / row_blocks_, first_row,
          std::min(rows_, as_size(geometry_.output[0]) - first_row), first_column,
          std::min(columns_, as_size(geometry_.output[1]) - first_column)};
}

size_t IntegerPositions::patches_at_once() const {
  return std::min(rows_ * columns_, std::max<size_t>(16, kPatchesBytes / run_bytes()));
}

// Pixels of a band; its kernel is not dilated.
size_t IntegerPositions::pixels_of(size_t outputs, size_t axis) const {
  return (outputs - 1) * as_size(geometry_.strides[axis]) + as_size(geometry_.kernel[axis]);
}

size_t IntegerPositions::band_bytes() const {
  if (reading_ != Reading::band) return 0;
  return aligned(pixels_of(rows_, 0) * pixels_of(columns_, 1) * geometry_.group_channels + kSlack);
}

// Neighbouring pixels of the kernel are one run where they are neighbours in memory.
size_t IntegerPositions::runs() const {
  if (reading_ == Reading::gathered) return 1;
  const bool merged = reading_ == Reading::band ||
                      (geometry_.group_channels == geometry_.channels && geometry_.dilations[1] == 1);
  return as_size(geometry_.kernel[0]) * (merged ? 1 : as_size(geometry_.kernel[1]));
}

size_t IntegerPositions::run_columns() const {
  return as_size(geometry_.kernel[0]) * as_size(geometry_.kernel[1]) * geometry_.group_channels / runs();
}
size_t IntegerPositions::run_bytes() const { return divide_up(run_columns(), 4) * 4; }

// Offsets, then the band or patches.
size_t IntegerPositions::scratch_bytes() const {
  return aligned(runs() * sizeof(size_t)) + band_bytes() +
         (reading_ == Reading::gathered ? patches_at_once() * run_bytes() : 0);
}

size_t IntegerPositions::y_position(const PositionBlock& block, size_t in_block) const {
  const size_t row = block.first_row + in_block / block.columns;
  const size_t column = block.first_column + in_block % block.columns;
  return (block.image * as_size(geometry_.output[0]) + row) * as_size(geometry_.output[1]) + column;
}

void IntegerPositions::for_each_part(size_t index, size_t group, uint8_t* scratch,
                                     const MultiplyLines& multiply) const {
  const IntegerGeometry& g = geometry_;
  const PositionBlock block = block_at(index);
  auto* const offsets = reinterpret_cast<size_t*>(scratch);
  uint8_t* const band = scratch + aligned(runs() * sizeof(size_t));
  if (reading_ == Reading::gathered) return multiply_patches(block, group, scratch, multiply);
  const bool is_band = reading_ == Reading::band;
  const size_t pixel_bytes = is_band ? g.group_channels : g.channels;
  const size_t row_pitch = (is_band ? pixels_of(block.columns, 1) : as_size(g.input[1])) * pixel_bytes;
  const uint8_t* first = band;
  if (is_band) {
    copy_band(block, group, band);
  } else {
    const size_t row = block.image * as_size(g.input[0]) + block.first_row * as_size(g.strides[0]);
    first = x_ + row * row_pitch + block.first_column * as_size(g.strides[1]) * pixel_bytes +
            group * g.group_channels;
  }
  fill_offsets(row_pitch, pixel_bytes, offsets);
  const IntegerRows rows = {first,   block.columns, as_size(g.strides[1]) * pixel_bytes,
                            offsets, runs(),        run_bytes()};
  multiply({rows, y_position(block, 0), block.rows, row_pitch * as_size(g.strides[0]), as_size(g.output[1])});
}

void IntegerPositions::fill_offsets(size_t row_pitch, size_t pixel_bytes, size_t* offsets) const {
  const size_t across = runs() / as_size(geometry_.kernel[0]);
  for (size_t u = 0; u < runs(); ++u)
    offsets[u] = u / across * as_size(geometry_.dilations[0]) * row_pitch +
                 u % across * as_size(geometry_.dilations[1]) * pixel_bytes;
}

// Runs of positions that are neighbours in y: through rows, where the block has whole ones.
void IntegerPositions::multiply_patches(const PositionBlock& block, size_t group, uint8_t* scratch,
                                        const MultiplyLines& multiply) const {
  auto* const offsets = reinterpret_cast<size_t*>(scratch);
  uint8_t* const patches = scratch + aligned(sizeof(size_t));
  const size_t all = block.rows * block.columns, bytes = run_bytes();
  const size_t run = block.columns == as_size(geometry_.output[1]) ? all : block.columns;
  offsets[0] = 0;
  for (size_t first = 0; first < all;) {
    const size_t count = std::min(patches_at_once(), run - first % run);
    for (size_t p = 0; p < count; ++p) gather_patch(block, first + p, group, patches + p * bytes);
    multiply({{patches, count, bytes, offsets, 1, bytes}, y_position(block, first), 1, 0, 0});
    first += count;
  }
}

// The parts of x that the block's outputs meet, one after the other; beyond the image x is its zero point.
void IntegerPositions::copy_band(const PositionBlock& block, size_t group, uint8_t* band) const {
  const IntegerGeometry& g = geometry_;
  const int64_t rows = static_cast<int64_t>(pixels_of(block.rows, 0));
  const int64_t pixels = static_cast<int64_t>(pixels_of(block.columns, 1));
  const int64_t first_row = static_cast<int64_t>(block.first_row) * g.strides[0] - g.pads[0];
  const int64_t first = static_cast<int64_t>(block.first_column) * g.strides[1] - g.pads[1];
  const size_t pitch = as_size(pixels) * g.group_channels;
  for (int64_t row = first_row; row < first_row + rows; ++row, band += pitch)
    copy_pixels(block.image, row, first, pixels, group, band);
}

// `count` pixels from column `first` of a row on, of which some, or the whole row, may lie beyond the image.
void IntegerPositions::copy_pixels(size_t image, int64_t row, int64_t first, int64_t count, size_t group,
                                   uint8_t* to) const {
  const IntegerGeometry& g = geometry_;
  const size_t bytes = g.group_channels;
  const bool inside = row >= 0 && row < g.input[0];
  const int64_t begin = inside ? std::clamp<int64_t>(-first, 0, count) : count;
  const int64_t end = inside ? std::clamp<int64_t>(g.input[1] - first, begin, count) : count;
  fill(to, x_zero_point_, as_size(begin) * bytes);
  fill(to + as_size(end) * bytes, x_zero_point_, as_size(count - end) * bytes);
  if (begin == end) return;
  const size_t pixel =
      (image * as_size(g.input[0]) + as_size(row)) * as_size(g.input[1]) + as_size(first + begin);
  const uint8_t* from = x_ + pixel * g.channels + group * bytes;
  to += as_size(begin) * bytes;
  if (bytes == g.channels) return static_cast<void>(std::memcpy(to, from, as_size(end - begin) * bytes));
  for (int64_t i = begin; i < end; ++i, from += g.channels, to += bytes) std::memcpy(to, from, bytes);
}

void IntegerPositions::gather_patch(const PositionBlock& block, size_t in_block, size_t group,
                                    uint8_t* patch) const {
  const IntegerGeometry& g = geometry_;
  const auto out_row = static_cast<int64_t>(block.first_row + in_block / block.columns);
  const auto out_column = static_cast<int64_t>(block.first_column + in_block % block.columns);
  for (int64_t u = 0; u < g.kernel[0]; ++u) {
    const int64_t row = out_row * g.strides[0] + u * g.dilations[0] - g.pads[0];
    for (int64_t v = 0; v < g.kernel[1]; ++v, patch += g.group_channels)
      copy_pixels(block.image, row, out_column * g.strides[1] + v * g.dilations[1] - g.pads[1], 1, group,
                  patch);
  }
}

}  // namespace qc
