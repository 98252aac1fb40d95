// x of an integer product as planes of bits, with its pads: packed once by each call, for all outputs. It
// takes an eighth of the bytes of x for each plane.
#pragma once

#include "base/integer_weight.h"
#include "compute/integer_positions.h"
#include "compute/parallel.h"
#include "kernels/integer_popcount/dispatch.h"

namespace qc {

// Whether positions of y find their columns in planes: each group of channels is whole words, or there is one
// group and the kernel meets single pixels and no pads.
bool has_planes(const IntegerGeometry& geometry);

class IntegerPlanes {
 public:
  // One plane for each bit of a code of x.
  IntegerPlanes(const IntegerGeometry& geometry, const IntegerWeight& weight, popcount_pack_fn pack_codes);

  // Packs x, on all threads; `packed` has bytes().
  size_t bytes() const { return planes_ * plane_bytes_; }
  void pack(const uint8_t* x, uint8_t* packed, const Parallel& parallel) const;

  // Whether pixels of x are packed one by one.
  bool has_gaps() const { return step_[1] > 1 || geometry_.channels % kWordColumns != 0; }

  // The columns of the weight are cut into so many runs of so many words.
  size_t runs() const;
  size_t run_words() const;
  void fill_offsets(size_t* offsets) const;

  // The sums of all codes at each position, [group][position], on all threads; `scratch` has as many
  // elements as scratch_sums() says.
  size_t scratch_sums() const { return pixels() * groups(); }
  void sum(popcount_sums_fn sum_codes, const uint8_t* packed, int32_t* scratch, int32_t* sums,
           const Parallel& parallel) const;

  // Positions of y, from `first` to `end` or the end of its row, as a kernel reads them.
  size_t positions() const;
  PopcountRows rows_at(const uint8_t* packed, const size_t* offsets, size_t group, size_t first,
                       size_t end) const;

 private:
  bool is_merged() const;
  size_t groups() const { return geometry_.channels / geometry_.group_channels; }
  size_t pixel_at(size_t position) const;
  size_t left_of_row(size_t position, size_t end) const;
  void sum_taps(const int32_t* pixel_sums, size_t count, int32_t* sums) const;
  size_t pixels() const { return geometry_.batch * size_[0] * size_[1]; }
  void pack_pixels(const uint8_t* x, uint8_t* packed, size_t first, size_t end) const;
  void pack_run(const uint8_t* x, size_t row, size_t first, size_t count, uint8_t* to) const;
  void pack_inside(const uint8_t* x, size_t count, uint8_t* to) const;
  void fill_pads(size_t count, uint8_t* to) const;

  IntegerGeometry geometry_;
  size_t planes_;
  uint8_t x_zero_point_;
  popcount_pack_fn pack_codes_;
  std::array<size_t, 2> step_, stride_, size_;  // of pixels in x and in planes; pixels of an image
  size_t pixel_bytes_, plane_bytes_;
};

}  // namespace qc
