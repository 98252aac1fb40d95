#include "compute/integer_depthwise.h"

#include <algorithm>
#include <cstring>

#include "base/scratch.h"

namespace qc {
namespace {

constexpr int64_t kTable = 2048;                      // pointers, on the stack
constexpr int64_t kBlockOutputs = 512;                // positions: more gain nothing, fewer begin too often
constexpr int64_t kBlockProducts = int64_t{1} << 21;  // so that threads share an image
constexpr int64_t kTaskProducts = int64_t{1} << 20;   // five microseconds or more
constexpr int64_t kMostDilation = 4;  // then the taps of one output are not far from each other

int64_t divide_up(int64_t a, int64_t b) { return a / b + (a % b > 0); }

// One axis of the table. Neighbouring outputs are `step` entries apart, neighbouring taps `tap_step`: either
// each entry is a position of the padded image, or, where strides and dilations are so large that most of
// those are never read, the taps of one output stand together.
struct Axis {
  Axis(const Convolution& convolution, const ConvolutionSizes& sizes, size_t axis)
      : taps(convolution.kernel[axis]),
        stride(convolution.strides[axis]),
        dilation(convolution.dilations[axis]),
        pad(convolution.pads_begin[axis]),
        input(sizes.input[axis]),
        output(sizes.output[axis]) {
    const bool dense =
        dilation <= kMostDilation && (output - 1) * stride + (taps - 1) * dilation < output * taps;
    step = dense ? stride : taps;
    tap_step = dense ? dilation : 1;
  }

  bool is_dense() const { return step == stride && tap_step == dilation; }
  int64_t entries(int64_t outputs) const { return (outputs - 1) * step + (taps - 1) * tap_step + 1; }
  // How many outputs fit into so many entries, at least one.
  int64_t fitting(int64_t count) const {
    return std::clamp<int64_t>((count - 1 - (taps - 1) * tap_step) / step + 1, 1, output);
  }
  // Where entry `entry` of the outputs from `first` on lies; in the image, or in a pad.
  int64_t source(int64_t first, int64_t entry) const {
    if (is_dense()) return first * stride - pad + entry;
    return (first + entry / taps) * stride + entry % taps * dilation - pad;
  }
  bool is_inside(int64_t source_) const { return source_ >= 0 && source_ < input; }

  int64_t taps, stride, dilation, pad, input, output;
  int64_t step, tap_step;
};

// One call of convolve_integer_depthwise. A block is some rows of outputs of one image, or a part of one row.
class IntegerDepthwiseConvolution {
 public:
  IntegerDepthwiseConvolution(const IntegerDepthwiseKernels& kernels, const Convolution& convolution,
                              const ConvolutionSizes& sizes, const uint8_t* x, const int8_t* weights,
                              const uint8_t* pad, const IntegerDepthwiseOutput& output)
      : kernels_(kernels),
        convolution_(convolution),
        x_(x),
        weights_(weights),
        pad_(pad),
        output_(output),
        row_axis_(convolution, sizes, 0),
        column_axis_(convolution, sizes, 1),
        capacity_(std::max(kTable, row_axis_.entries(1) * column_axis_.entries(1))),
        columns_(choose_columns()),
        rows_(choose_rows()),
        blocks_down_(divide_up(row_axis_.output, rows_)),
        blocks_across_(divide_up(column_axis_.output, columns_)),
        blocks_(static_cast<int64_t>(sizes.batch) * blocks_down_ * blocks_across_) {}

  void run(const Parallel& parallel) const {
    if (capacity_ > kTable) return run_large_kernel();
    const int64_t each = blocks_of_task();
    parallel(static_cast<size_t>(divide_up(blocks_, each)), [&](size_t task) {
      const uint8_t* table[kTable];
      const int64_t first = static_cast<int64_t>(task) * each;
      for (int64_t block = first; block < std::min(blocks_, first + each); ++block) convolve(block, table);
    });
  }

 private:
  struct Range {
    int64_t first, count;
  };

  int64_t choose_columns() const {
    const int64_t fitting = column_axis_.fitting(capacity_ / row_axis_.entries(1));
    return std::min(fitting, column_axis_.output);
  }
  // A part of a row stands alone: rows of results lie behind each other.
  int64_t choose_rows() const {
    if (columns_ < column_axis_.output) return 1;
    const int64_t fitting = row_axis_.fitting(capacity_ / column_axis_.entries(columns_));
    const int64_t wanted = std::min(kBlockOutputs / columns_, kBlockProducts / products_of(columns_));
    const int64_t most = std::clamp<int64_t>(wanted, 1, fitting);
    return divide_up(row_axis_.output, divide_up(row_axis_.output, most));  // blocks are about alike
  }
  int64_t blocks_of_task() const {
    return std::max<int64_t>(1, kTaskProducts / products_of(rows_ * columns_));
  }
  int64_t products_of(int64_t positions) const {
    return positions * row_axis_.taps * column_axis_.taps * static_cast<int64_t>(convolution_.outputs);
  }

  // Thousands of taps: the table is no stack's. Rare, so one task.
  void run_large_kernel() const {
    const Scratch scratch(static_cast<size_t>(capacity_) * sizeof(const uint8_t*) / sizeof(float));
    for (int64_t block = 0; block < blocks_; ++block)
      convolve(block, reinterpret_cast<const uint8_t**>(scratch.data()));
  }

  void convolve(int64_t block, const uint8_t** table) const {
    const int64_t across = block % blocks_across_, down = block / blocks_across_ % blocks_down_;
    const int64_t image = block / blocks_across_ / blocks_down_;
    const Range rows = range(down, rows_, row_axis_.output),
                columns = range(across, columns_, column_axis_.output);
    fill(image, rows, columns, table);
    const int64_t position = (image * row_axis_.output + rows.first) * column_axis_.output + columns.first;
    kernels_.multiply.run(block_of(rows, columns, table),
                          output_from(static_cast<size_t>(position) * convolution_.outputs));
  }

  static Range range(int64_t index, int64_t each, int64_t size) {
    return {index * each, std::min(each, size - index * each)};
  }

  void fill(int64_t image, const Range& rows, const Range& columns, const uint8_t** table) const {
    const int64_t pitch = column_axis_.entries(columns.count);
    for (int64_t i = 0; i < row_axis_.entries(rows.count); ++i, table += pitch) {
      const int64_t source = row_axis_.source(rows.first, i);
      if (row_axis_.is_inside(source)) {
        fill_row(image * row_axis_.input + source, columns, pitch, table);
      } else {
        std::fill_n(table, pitch, pad_);
      }
    }
  }

  // `row` counts through all images.
  void fill_row(int64_t row, const Range& columns, int64_t pitch, const uint8_t** table) const {
    const auto channels = static_cast<int64_t>(convolution_.channels);
    const uint8_t* const x = x_ + row * column_axis_.input * channels;
    if (!column_axis_.is_dense()) return fill_taps(x, columns, pitch, table);
    const int64_t start = column_axis_.source(columns.first, 0);
    const int64_t begin = std::clamp<int64_t>(-start, 0, pitch),
                  end = std::clamp<int64_t>(column_axis_.input - start, begin, pitch);
    std::fill_n(table, begin, pad_);
    for (int64_t i = begin; i < end; ++i) table[i] = x + (start + i) * channels;
    std::fill_n(table + end, pitch - end, pad_);
  }

  void fill_taps(const uint8_t* x, const Range& columns, int64_t pitch, const uint8_t** table) const {
    for (int64_t i = 0; i < pitch; ++i) {
      const int64_t source = column_axis_.source(columns.first, i);
      table[i] =
          column_axis_.is_inside(source) ? x + source * static_cast<int64_t>(convolution_.channels) : pad_;
    }
  }

  IntegerDepthwiseBlock block_of(const Range& rows, const Range& columns, const uint8_t* const* table) const {
    IntegerDepthwiseBlock block = {};
    block.x = table;
    block.pitch = static_cast<size_t>(column_axis_.entries(columns.count));
    block.row_step = static_cast<size_t>(row_axis_.step);
    block.row_tap_step = static_cast<size_t>(row_axis_.tap_step);
    block.column_step = static_cast<size_t>(column_axis_.step);
    block.column_tap_step = static_cast<size_t>(column_axis_.tap_step);
    block.kernel_rows = static_cast<size_t>(row_axis_.taps);
    block.kernel_columns = static_cast<size_t>(column_axis_.taps);
    block.rows = static_cast<size_t>(rows.count);
    block.columns = static_cast<size_t>(columns.count);
    block.channels = convolution_.outputs;
    block.multiplier = convolution_.outputs / convolution_.channels;
    block.weights = weights_;
    block.zero_point = *pad_;
    return block;
  }

  IntegerDepthwiseOutput output_from(size_t place) const {
    IntegerDepthwiseOutput output = output_;
    if (output.residual != nullptr) output.residual += place;
    if (output.codes != nullptr) output.codes += place;
    if (output.floats != nullptr) output.floats += place;
    return output;
  }

  const IntegerDepthwiseKernels& kernels_;
  const Convolution& convolution_;
  const uint8_t* const x_;
  const int8_t* const weights_;
  const uint8_t* const pad_;
  const IntegerDepthwiseOutput& output_;
  const Axis row_axis_, column_axis_;
  const int64_t capacity_;        // pointers of a table
  const int64_t columns_, rows_;  // of a block
  const int64_t blocks_down_, blocks_across_, blocks_;
};

}  // namespace

void convolve_integer_depthwise(const IntegerDepthwiseKernels& kernels, const TiledWeight& weight,
                                const Convolution& convolution, const ConvolutionSizes& sizes,
                                uint8_t x_zero_point, const uint8_t* x, const IntegerDepthwiseOutput& output,
                                const Parallel& parallel) {
  if (sizes.batch == 0) return;
  // Fewer weights than bytes of memory, and as many channels at most: no sum overflows.
  const size_t decoded = weight.tile_count * kTileCodes;
  const Scratch scratch(decoded / sizeof(float) + convolution.channels / sizeof(float) + 1);
  auto* const weights = reinterpret_cast<int8_t*>(scratch.data());
  auto* const pad = reinterpret_cast<uint8_t*>(weights + decoded);
  kernels.decode.run(weight, convolution.outputs, weights);
  std::memset(pad, x_zero_point, convolution.channels);
  IntegerDepthwiseConvolution(kernels, convolution, sizes, x, weights, pad, output).run(parallel);
}

}  // namespace qc
