#include "compute/integer_max_pool.h"

#include <algorithm>

namespace qc {
namespace {

constexpr int64_t kTaskReads = int64_t{1} << 20;  // codes, 64 or so at once: tens of microseconds

// The part of a window that lies in the image.
struct Window {
  int64_t begin, size;
};

Window window_of(const Pooling& pooling, const PoolingSizes& sizes, size_t axis, int64_t output) {
  const int64_t start = output * pooling.strides[axis] - pooling.pads_begin[axis];
  const int64_t begin = std::max<int64_t>(0, start);
  return {begin, std::min(start + pooling.kernel[axis], sizes.input[axis]) - begin};
}

// One row of outputs: runs of whole windows in one call, those that a pad cuts one by one.
class RowOfWindows {
 public:
  RowOfWindows(const IntegerMaxPool& kernel, const Pooling& pooling, const PoolingSizes& sizes)
      : kernel_(kernel), pooling_(pooling), sizes_(sizes), channels_(static_cast<int64_t>(sizes.channels)) {
    const int64_t last =
        sizes.input[1] + pooling.pads_begin[1] - pooling.kernel[1];  // start of a whole window
    whole_end_ = last < 0 ? 0 : std::min(last / pooling.strides[1] + 1, sizes.output[1]);
    whole_begin_ =
        std::min((pooling.pads_begin[1] + pooling.strides[1] - 1) / pooling.strides[1], whole_end_);
  }

  // `x` and `y` are the first codes of an image and of a row of outputs.
  void pool(int64_t row, const uint8_t* x, uint8_t* y) const {
    const Window rows = window_of(pooling_, sizes_, 0, row);
    for (int64_t j = 0; j < whole_begin_; ++j) pool_some(rows, j, 1, x, y);
    if (whole_begin_ < whole_end_) pool_some(rows, whole_begin_, whole_end_ - whole_begin_, x, y);
    for (int64_t j = whole_end_; j < sizes_.output[1]; ++j) pool_some(rows, j, 1, x, y);
  }

 private:
  void pool_some(const Window& rows, int64_t first, int64_t outputs, const uint8_t* x, uint8_t* y) const {
    const Window columns = window_of(pooling_, sizes_, 1, first);
    const int64_t pitch = sizes_.input[1] * channels_;
    const WindowsToPool windows = {
        static_cast<size_t>(rows.size), static_cast<size_t>(columns.size),
        static_cast<size_t>(pitch),     static_cast<size_t>(pooling_.strides[1] * channels_),
        static_cast<size_t>(outputs),   sizes_.channels};
    kernel_.run(windows, x + rows.begin * pitch + columns.begin * channels_, y + first * channels_);
  }

  const IntegerMaxPool& kernel_;
  const Pooling& pooling_;
  const PoolingSizes& sizes_;
  const int64_t channels_;
  int64_t whole_begin_, whole_end_;  // outputs whose windows no pad cuts
};

}  // namespace

void max_pool(const IntegerMaxPool& kernel, const Pooling& pooling, const PoolingSizes& sizes,
              const uint8_t* x, uint8_t* y, const Parallel& parallel) {
  if (sizes.batch == 0 || sizes.channels == 0) return;
  const RowOfWindows rows(kernel, pooling, sizes);
  const auto channels = static_cast<int64_t>(sizes.channels);
  const int64_t image = sizes.input[0] * sizes.input[1] * channels, y_row = sizes.output[1] * channels;
  const int64_t window =
      std::min(pooling.kernel[0], sizes.input[0]) * std::min(pooling.kernel[1], sizes.input[1]);
  const int64_t all = static_cast<int64_t>(sizes.batch) * sizes.output[0];
  const int64_t task_rows = std::clamp<int64_t>(kTaskReads / window / y_row, 1, all);
  parallel(static_cast<size_t>((all - 1) / task_rows + 1), [&](size_t task) {
    const int64_t first = static_cast<int64_t>(task) * task_rows;
    for (int64_t i = first; i < std::min(all, first + task_rows); ++i)
      rows.pool(i % sizes.output[0], x + i / sizes.output[0] * image, y + i * y_row);
  });
}

}  // namespace qc
