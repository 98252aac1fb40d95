#include "compute/multiply.h"

#include <algorithm>

#include "base/scratch.h"
#include "compute/epilogue.h"

namespace qc {
namespace {

constexpr size_t kTaskRows = 64;
constexpr size_t kTaskPositions = 240;  // with 512 columns of x the panel stays in the second-level cache
constexpr size_t kLanes = 16;           // positions are padded to this
constexpr size_t kPanelFloats = size_t{1} << 20;
constexpr size_t kNearFloats = size_t{1} << 16;
constexpr size_t kParallelTasks = 8;
constexpr size_t kSliceColumns = size_t{1} << 14;  // of so many at least 64 positions fit kPanelFloats

size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }

// A part of the columns, [first_column, + columns): sums of all slices but the first are added to what y
// holds.
struct Slice {
  size_t first_column, columns;
  bool first, last;
};

// One call of multiply_panels. An item is one block of positions of one group.
class Multiplication {
 public:
  Multiplication(const CodebookGemm& kernel, const PackedWeight& weight, size_t groups, size_t positions,
                 const Panels& panels, const Output& output)
      : kernel_(kernel),
        weight_(weight),
        positions_(positions),
        panels_(panels),
        output_(output),
        group_rows_(weight.outputs / groups),
        row_tasks_(divide_up(group_rows_, kTaskRows)),
        slice_columns_(std::min(weight.rows.columns, kSliceColumns)),
        stride_(choose_stride(positions, slice_columns_)),
        blocks_(divide_up(positions, stride_)),
        items_(blocks_ * groups),
        items_at_once_(choose_items_at_once()),
        scratch_(items_at_once_ * panel_floats()) {}

  void run(const Parallel& parallel) const {
    const size_t columns = weight_.rows.columns;
    for (size_t first = 0; first < columns; first += slice_columns_) {
      const size_t count = std::min(slice_columns_, columns - first);
      const Slice slice = {first, count, first == 0, first + count == columns};
      for (size_t item = 0; item < items_; item += items_at_once_)
        run_items(slice, item, std::min(items_at_once_, items_ - item), parallel);
    }
  }

 private:
  // Blocks of about the same size, so that the last one is not a sliver.
  static size_t choose_stride(size_t positions, size_t columns) {
    const size_t fitting = std::max(kLanes, kPanelFloats / columns / kLanes * kLanes);
    const size_t blocks = divide_up(positions, std::min(kTaskPositions, fitting));
    return divide_up(divide_up(positions, blocks), kLanes) * kLanes;
  }

  // Few, so that panels are still in a near cache when they are multiplied, but enough for all threads.
  size_t choose_items_at_once() const {
    const size_t near = kNearFloats / panel_floats();
    const size_t parallel = divide_up(kParallelTasks, row_tasks_);
    const size_t fitting = std::max<size_t>(1, kPanelFloats / panel_floats());
    return std::min({items_, fitting, std::max(near, parallel)});
  }

  size_t panel_floats() const { return slice_columns_ * stride_; }

  void run_items(const Slice& slice, size_t first_item, size_t count, const Parallel& parallel) const {
    parallel(count, [&](size_t i) {
      const PanelBlock block = panel_block(slice, first_item + i);
      float* const panel = scratch_.data() + i * panel_floats();
      panels_.fill(block, panel);
      if (kernel_.prepare != nullptr) kernel_.prepare(block.columns, stride_, panel);
    });
    parallel(count * row_tasks_, [&](size_t task) {
      const size_t i = task / row_tasks_;
      const size_t first_row = task % row_tasks_ * kTaskRows;
      multiply(slice, panel_block(slice, first_item + i), first_row, scratch_.data() + i * panel_floats());
    });
  }

  PanelBlock panel_block(const Slice& slice, size_t item) const {
    const size_t first = item % blocks_ * stride_;
    return {item / blocks_,     first,         std::min(stride_, positions_ - first),
            slice.first_column, slice.columns, stride_};
  }

  void multiply(const Slice& slice, const PanelBlock& panel_block, size_t first_row,
                const float* panel) const {
    alignas(64) float sums[kTaskRows * kTaskPositions];
    const size_t rows = std::min(kTaskRows, group_rows_ - first_row);
    const size_t row = panel_block.group * group_rows_ + first_row;
    const size_t padded = divide_up(panel_block.positions, kLanes) * kLanes;
    std::fill(sums, sums + rows * stride_, 0.0f);
    for (size_t j = 0; j < slice.columns; j += kGemmColumns) {
      const size_t columns = std::min(kGemmColumns, slice.columns - j);
      const GemmBlock block = {row, rows, slice.first_column + j, columns, padded, stride_};
      kernel_.run(weight_.rows, block, panel + j / kernel_.columns_in_row * stride_, sums);
    }
    store(slice, panel_block, row, rows, sums);
  }

  void store(const Slice& slice, const PanelBlock& block, size_t row, size_t rows, const float* sums) const {
    const size_t end = block.first_position + block.positions;
    for (size_t position = block.first_position; position < end;) {
      const size_t in_image = position % output_.positions_per_image;
      const size_t count = std::min(output_.positions_per_image - in_image, end - position);
      float* const y = output_.y + position / output_.positions_per_image * output_.image_stride +
                       in_image * output_.position_stride + row * output_.row_stride;
      store_run(slice, row, rows, count, sums + (position - block.first_position), y);
      position += count;
    }
  }

  // Rows [row, + rows) at `count` positions of one image, in the order in which y lies.
  void store_run(const Slice& slice, size_t row, size_t rows, size_t count, const float* sums,
                 float* y) const {
    if (output_.row_stride == 1) return store_transposed(slice, row, rows, count, sums, y);
    for (size_t i = 0; i < rows; ++i) {
      const Epilogue row_epilogue = epilogue(slice, row + i);
      float* const y_row = y + i * output_.row_stride;
      for (size_t p = 0; p < count; ++p) store_one(slice, row_epilogue, sums[i * stride_ + p], y_row + p);
    }
  }

  void store_transposed(const Slice& slice, size_t row, size_t rows, size_t count, const float* sums,
                        float* y) const {
    Epilogue epilogues[kTaskRows];
    for (size_t i = 0; i < rows; ++i) epilogues[i] = epilogue(slice, row + i);
    for (size_t p = 0; p < count; ++p)
      for (size_t i = 0; i < rows; ++i)
        store_one(slice, epilogues[i], sums[i * stride_ + p], y + p * output_.position_stride + i);
  }

  // Until the last slice y holds plain sums.
  Epilogue epilogue(const Slice& slice, size_t row) const {
    return slice.last ? epilogue_of(weight_, row) : Epilogue{1.0f, 0.0f};
  }

  static void store_one(const Slice& slice, const Epilogue& epilogue, float sum, float* y) {
    *y = (slice.first ? sum : *y + sum) * epilogue.scale + epilogue.bias;
  }

  const CodebookGemm& kernel_;
  const PackedWeight& weight_;
  const size_t positions_;
  const Panels& panels_;
  const Output& output_;
  const size_t group_rows_, row_tasks_;
  const size_t slice_columns_, stride_;
  const size_t blocks_, items_, items_at_once_;
  const Scratch scratch_;
};

}  // namespace

void multiply_vectors(const CodebookGemv& kernel, const PackedWeight& weight, size_t m, const float* x,
                      float* y, const Parallel& parallel) {
  const PackedRows& rows = weight.rows;
  const size_t x_stride = arranged_size(kernel, rows.bits, rows.columns);
  const Scratch arranged(m * x_stride);
  arrange_x(kernel, rows.bits, rows.columns, m, x, arranged.data());
  if (kernel.prepare != nullptr) kernel.prepare(m, x_stride, arranged.data());
  parallel(divide_up(weight.outputs, kTaskRows), [&](size_t task) {
    const size_t first = task * kTaskRows;
    const size_t count = std::min(kTaskRows, weight.outputs - first);
    for (size_t p = 0; p < m; p += kGemvVectors) {
      const GemvBlock block = {first, count, std::min(kGemvVectors, m - p), x_stride, weight.outputs};
      kernel.run(rows, block, arranged.data() + p * x_stride, y + p * weight.outputs);
    }
    for (size_t p = 0; p < m; ++p) {
      float* const y_row = y + p * weight.outputs;
      for (size_t i = first; i < first + count; ++i) {
        const Epilogue epilogue = epilogue_of(weight, i);
        y_row[i] = y_row[i] * epilogue.scale + epilogue.bias;
      }
    }
  });
}

void multiply_panels(const CodebookGemm& kernel, const PackedWeight& weight, size_t groups, size_t positions,
                     const Panels& panels, const Output& output, const Parallel& parallel) {
  if (positions == 0) return;
  Multiplication(kernel, weight, groups, positions, panels, output).run(parallel);
}

}  // namespace qc
