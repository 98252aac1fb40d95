// Where the rows of x that an integer product reads lie: in x itself, in a copy with pads, or in patches.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/convolution.h"
#include "kernels/integer_gemm/integer_gemm.h"

namespace qc {

// The sizes of one call. A product of m rows is a convolution of m pixels by a kernel of one.
struct IntegerGeometry {
  size_t batch, channels, group_channels;
  std::array<int64_t, 2> input, output, kernel, strides, dilations, pads;
  bool is_padded;
};

IntegerGeometry geometry_of_product(size_t m, size_t k);
IntegerGeometry geometry_of(const Convolution& convolution, const ConvolutionSizes& sizes);

// Whether x is a matrix of rows of k bytes, one for each position of y.
bool is_product(const IntegerGeometry& geometry);

// The same with all pixels in one row, where each position of y meets one pixel, its own.
IntegerGeometry flattened(IntegerGeometry geometry);

// Output positions [first_row, + rows) x [first_column, + columns) of one image.
struct PositionBlock {
  size_t image, first_row, rows, first_column, columns;
};

// Some positions of a block: `lines` times such rows, each time `x_pitch` bytes and `y_pitch` positions
// further on. The first of them is position `first` of y.
struct PositionLines {
  IntegerRows rows;
  size_t first, lines, x_pitch, y_pitch;
};
using MultiplyLines = std::function<void(const PositionLines& lines)>;

class IntegerPositions {
 public:
  // Blocks have at most `most` positions.
  IntegerPositions(const IntegerGeometry& geometry, const uint8_t* x, uint8_t x_zero_point, size_t most);

  size_t blocks() const { return geometry_.batch * row_blocks_ * column_blocks_; }
  size_t positions() const { return rows_ * columns_; }  // of a block that is not cut short
  size_t scratch_bytes() const;

  // The columns of the weight are cut into so many runs of so many; each is padded to a multiple of four
  // bytes, whatever these are.
  size_t runs() const;
  size_t run_columns() const;

  // Calls `multiply` until all positions of a block are done, for a group of channels. `scratch` has
  // scratch_bytes(), aligned to 64.
  void for_each_part(size_t block, size_t group, uint8_t* scratch, const MultiplyLines& multiply) const;

 private:
  enum class Reading {
    direct,    // from x itself
    band,      // from a copy of the block's part of x, with its pads
    gathered,  // from rows of k bytes, one for each position, that are copied from x
  };

  static Reading choose_reading(const IntegerGeometry& geometry);
  void choose_block(size_t most);
  PositionBlock block_at(size_t index) const;
  size_t run_bytes() const;
  size_t patches_at_once() const;
  size_t band_bytes() const;
  size_t pixels_of(size_t outputs, size_t axis) const;
  size_t y_position(const PositionBlock& block, size_t in_block) const;

  void multiply_patches(const PositionBlock& block, size_t group, uint8_t* scratch,
                        const MultiplyLines& multiply) const;
  void fill_offsets(size_t row_pitch, size_t pixel_bytes, size_t* offsets) const;
  void copy_band(const PositionBlock& block, size_t group, uint8_t* band) const;
  void copy_pixels(size_t image, int64_t row, int64_t first, int64_t count, size_t group, uint8_t* to) const;
  void gather_patch(const PositionBlock& block, size_t in_block, size_t group, uint8_t* patch) const;

  Reading reading_;
  IntegerGeometry geometry_;
  const uint8_t* x_;
  uint8_t x_zero_point_;
  size_t rows_ = 1, columns_ = 1;  // of a block
  size_t row_blocks_ = 0, column_blocks_ = 0;
};

}  // namespace qc
