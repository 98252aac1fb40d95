#include "compute/integer_planes.h"

#include <algorithm>
#include <cstring>

namespace qc {
namespace {

constexpr size_t kTaskBytes = size_t{1} << 18;  // of x: a few microseconds
constexpr size_t kTaskSums = 4096;              // the same
constexpr size_t kAlignment = 64;
constexpr size_t kSlack = kWordBytes;  // behind a plane: runs are read up to whole pairs of words

size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }
size_t as_size(int64_t value) { return static_cast<size_t>(value); }

bool meets_single_pixels(const IntegerGeometry& g) { return g.kernel[0] * g.kernel[1] == 1; }

}  // namespace

bool has_planes(const IntegerGeometry& g) {
  return g.group_channels % kWordColumns == 0 ||
         (g.channels == g.group_channels && meets_single_pixels(g) && !g.is_padded);
}

// Pixels between those that a kernel of one meets are left out.
IntegerPlanes::IntegerPlanes(const IntegerGeometry& geometry, const IntegerWeight& weight,
                             popcount_pack_fn pack_codes)
    : geometry_(flattened(geometry)),
      planes_(weight.x_bits),
      x_zero_point_(weight.x_zero_point),
      pack_codes_(pack_codes) {
  for (size_t axis = 0; axis < 2; ++axis) {
    const size_t kernel = as_size(geometry_.kernel[axis]), stride = as_size(geometry_.strides[axis]);
    step_[axis] = kernel == 1 ? stride : 1;
    stride_[axis] = kernel == 1 ? 1 : stride;
    size_[axis] = (as_size(geometry_.output[axis]) - 1) * stride_[axis] +
                  (kernel - 1) * as_size(geometry_.dilations[axis]) + 1;
  }
  pixel_bytes_ = divide_up(geometry_.channels, kWordColumns) * kWordBytes;
  plane_bytes_ = divide_up(pixels() * pixel_bytes_ + kSlack, kAlignment) * kAlignment;
}

// Neighbouring pixels of the kernel are one run where they are neighbours in memory.
bool IntegerPlanes::is_merged() const {
  return geometry_.group_channels == geometry_.channels &&
         (geometry_.dilations[1] == 1 || geometry_.kernel[1] == 1);
}

size_t IntegerPlanes::runs() const {
  return as_size(geometry_.kernel[0]) * (is_merged() ? 1 : as_size(geometry_.kernel[1]));
}

size_t IntegerPlanes::run_words() const {
  return divide_up(geometry_.group_channels, kWordColumns) * (is_merged() ? as_size(geometry_.kernel[1]) : 1);
}

void IntegerPlanes::fill_offsets(size_t* offsets) const {
  const size_t across = runs() / as_size(geometry_.kernel[0]);
  for (size_t u = 0; u < runs(); ++u)
    offsets[u] = (u / across * as_size(geometry_.dilations[0]) * size_[1] +
                  u % across * as_size(geometry_.dilations[1])) *
                 pixel_bytes_;
}

size_t IntegerPlanes::positions() const {
  return geometry_.batch * as_size(geometry_.output[0]) * as_size(geometry_.output[1]);
}

// The pixel of planes that the kernel's first element meets.
size_t IntegerPlanes::pixel_at(size_t position) const {
  const size_t rows = as_size(geometry_.output[0]), columns = as_size(geometry_.output[1]);
  const size_t row = position / columns;
  return (row / rows * size_[0] + row % rows * stride_[0]) * size_[1] + position % columns * stride_[1];
}

// Positions from `position` on that are of one row and before `end`.
size_t IntegerPlanes::left_of_row(size_t position, size_t end) const {
  const size_t columns = as_size(geometry_.output[1]);
  return std::min(columns - position % columns, end - position);
}

PopcountRows IntegerPlanes::rows_at(const uint8_t* packed, const size_t* offsets, size_t group, size_t first,
                                    size_t end) const {
  return {packed + pixel_at(first) * pixel_bytes_ + group * geometry_.group_channels / 8,
          left_of_row(first, end),
          stride_[1] * pixel_bytes_,
          offsets,
          runs(),
          run_words(),
          planes_,
          plane_bytes_};
}

// Those of single pixels first; many elements of the kernel meet each of them.
void IntegerPlanes::sum(popcount_sums_fn sum_codes, const uint8_t* packed, int32_t* scratch, int32_t* sums,
                        const Parallel& parallel) const {
  const size_t all = scratch_sums(), words = pixel_bytes_ / kWordBytes / groups();
  parallel(divide_up(all, kTaskSums), [&](size_t task) {
    const size_t first = task * kTaskSums, count = std::min(kTaskSums, all - first);
    sum_codes(packed + first * words * kWordBytes, count, words, planes_, plane_bytes_, scratch + first);
  });
  const size_t tasks = divide_up(positions(), kTaskSums);
  parallel(tasks * groups(), [&](size_t task) {
    const size_t group = task / tasks, end = std::min(positions(), (task % tasks + 1) * kTaskSums);
    for (size_t first = task % tasks * kTaskSums; first < end;) {
      const size_t count = left_of_row(first, end);
      sum_taps(scratch + pixel_at(first) * groups() + group, count, sums + group * positions() + first);
      first += count;
    }
  });
}

// Positions of a row, from those of pixels and a group that the first one meets.
void IntegerPlanes::sum_taps(const int32_t* pixel_sums, size_t count, int32_t* sums) const {
  const size_t step = stride_[1] * groups();
  std::fill_n(sums, count, 0);
  for (size_t u = 0; u < as_size(geometry_.kernel[0]); ++u) {
    for (size_t v = 0; v < as_size(geometry_.kernel[1]); ++v) {
      const size_t pixel =
          u * as_size(geometry_.dilations[0]) * size_[1] + v * as_size(geometry_.dilations[1]);
      const int32_t* const from = pixel_sums + pixel * groups();
      if (step == 1) {  // a loop that compilers make vectors of
        for (size_t i = 0; i < count; ++i) sums[i] += from[i];
      } else {
        for (size_t i = 0; i < count; ++i) sums[i] += from[i * step];
      }
    }
  }
}

void IntegerPlanes::pack(const uint8_t* x, uint8_t* packed, const Parallel& parallel) const {
  for (size_t q = 0; q < planes_; ++q)  // what is read behind the last run meets no weight
    std::memset(packed + q * plane_bytes_ + pixels() * pixel_bytes_, 0, kSlack);
  const size_t at_once = std::max<size_t>(1, kTaskBytes / geometry_.channels);
  parallel(divide_up(pixels(), at_once), [&](size_t task) {
    pack_pixels(x, packed, task * at_once, std::min(pixels(), (task + 1) * at_once));
  });
}

// Pixels of planes, counted through all images, row by row.
void IntegerPlanes::pack_pixels(const uint8_t* x, uint8_t* packed, size_t first, size_t end) const {
  while (first < end) {
    const size_t count = std::min(size_[1] - first % size_[1], end - first);
    pack_run(x, first / size_[1], first % size_[1], count, packed + first * pixel_bytes_);
    first += count;
  }
}

// Pixels of one row, of which some, or the whole row, may lie beyond the image.
void IntegerPlanes::pack_run(const uint8_t* x, size_t row, size_t first, size_t count, uint8_t* to) const {
  const size_t image = row / size_[0], from_row = row % size_[0] * step_[0],
               above = as_size(geometry_.pads[0]);
  const size_t height = as_size(geometry_.input[0]), width = as_size(geometry_.input[1]);
  const size_t left = as_size(geometry_.pads[1]);
  if (from_row < above || from_row - above >= height) return fill_pads(count, to);
  const size_t begin = std::clamp(divide_up(left, step_[1]), first, first + count);
  const size_t end = std::clamp(divide_up(left + width, step_[1]), begin, first + count);
  fill_pads(begin - first, to);
  fill_pads(first + count - end, to + (end - first) * pixel_bytes_);
  if (begin == end) return;
  const size_t pixel = (image * height + from_row - above) * width + begin * step_[1] - left;
  pack_inside(x + pixel * geometry_.channels, end - begin, to + (begin - first) * pixel_bytes_);
}

void IntegerPlanes::pack_inside(const uint8_t* x, size_t count, uint8_t* to) const {
  const size_t channels = geometry_.channels;
  if (!has_gaps()) return pack_codes_(x, count * channels, planes_, to, plane_bytes_);
  for (size_t i = 0; i < count; ++i)
    pack_codes_(x + i * step_[1] * channels, channels, planes_, to + i * pixel_bytes_, plane_bytes_);
}

// Beyond the image x is its zero point.
void IntegerPlanes::fill_pads(size_t count, uint8_t* to) const {
  for (size_t q = 0; q < planes_; ++q)
    std::memset(to + q * plane_bytes_, x_zero_point_ >> q & 1 ? 0xff : 0, count * pixel_bytes_);
}

}  // namespace qc
