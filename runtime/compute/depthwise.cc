#include "compute/depthwise.h"

#include <algorithm>
#include <vector>

#include "compute/epilogue.h"

namespace qc {
namespace {

constexpr int64_t kFewOutputs = 16;     // of a group
constexpr int64_t kFewImages = 128;     // outputs times channels of a group
constexpr int64_t kTileInputs = 6144;   // floats; with those of the outputs they stay in a near cache
constexpr int64_t kTileOutputs = 4096;  // floats, a multiple of kLanes
constexpr int64_t kLeastColumns = 64;   // so many must fit
constexpr int64_t kTaskProducts = int64_t{1} << 18;
constexpr int64_t kLanes = 16;  // positions are padded to this

int64_t divide_up(int64_t a, int64_t b) { return a / b + (a % b > 0); }

// `size` in parts of at most `most`, all but the last of them alike.
int64_t part_of(int64_t size, int64_t most) { return divide_up(size, divide_up(size, most)); }

struct Range {
  int64_t begin, end;
};

// One axis of a convolution. Element u of the kernel meets, for output p, element p + shift_of(u) of phase
// phase_of(u); n outputs meet n + halo elements of each phase.
struct Axis {
  Axis(const Convolution& convolution, size_t axis)
      : stride(convolution.strides[axis]),
        dilation(convolution.dilations[axis]),
        pad(convolution.pads_begin[axis]) {
    const int64_t reach = (convolution.kernel[axis] - 1) * dilation + 1;
    phases = std::min(stride, reach);
    halo = (reach - 1) / stride;
  }

  int64_t phase_of(int64_t element) const { return element * dilation % stride; }
  int64_t shift_of(int64_t element) const { return element * dilation / stride; }
  // Where element p of a phase lies in x: in the image, or in a pad.
  int64_t source(int64_t phase, int64_t p) const { return p * stride + phase - pad; }
  // Those of the `count` elements from `first` on that lie in an image of this size, counted from `first`.
  Range inside(int64_t phase, int64_t first, int64_t count, int64_t size) const {
    const int64_t start = source(phase, first);
    const int64_t begin = std::clamp<int64_t>(divide_up(-start, stride), 0, count);
    return {begin, std::clamp<int64_t>(divide_up(size - start, stride), begin, count)};
  }

  int64_t stride, dilation, pad, phases, halo;
};

int64_t group_channels(const Convolution& c) { return static_cast<int64_t>(c.channels / c.groups); }
int64_t group_outputs(const Convolution& c) { return static_cast<int64_t>(c.outputs / c.groups); }

// One call of convolve_depthwise. A tile is a block of outputs of one image, for all channels of a group:
// x [group channels, row phases, column phases, rows + halo, pitch], pitch = columns + halo. A run of
// positions goes through its rows; what falls beyond the columns is not used.
class Depthwise {
 public:
  Depthwise(const DepthwiseKernels& kernels, const PackedWeight& weight, const Convolution& convolution,
            const ConvolutionSizes& sizes, const float* x, float* y)
      : kernels_(kernels),
        weight_(weight),
        convolution_(convolution),
        sizes_(sizes),
        x_(x),
        y_(y),
        row_axis_(convolution, 0),
        column_axis_(convolution, 1),
        columns_(part_of(sizes.output[1], most_columns())),
        pitch_(columns_ + column_axis_.halo),
        rows_(part_of(sizes.output[0], most_rows())),
        groups_(choose_groups()),
        groups_at_once_(choose_groups_at_once()),
        run_(column_axis_.stride == 1 && column_axis_.dilation == 1 ? convolution.kernel[1] : 1),
        offsets_(all_offsets()) {}

  void run(const Parallel& parallel) const {
    const auto groups = static_cast<int64_t>(convolution_.groups);
    const int64_t runs = divide_up(groups, groups_), down = divide_up(sizes_.output[0], rows_),
                  across = divide_up(sizes_.output[1], columns_);
    parallel(sizes_.batch * static_cast<size_t>(runs * down * across), [&](size_t task) {
      auto i = static_cast<int64_t>(task);
      const int64_t column = i % across * columns_, row = (i /= across) % down * rows_,
                    first = (i /= down) % runs * groups_;
      const Tile tile = {i / runs, row, std::min(rows_, sizes_.output[0] - row), column,
                         std::min(columns_, sizes_.output[1] - column)};
      convolve(tile, first, std::min(groups_, groups - first));
    });
  }

 private:
  struct Tile {
    int64_t image, first_row, rows, first_column, columns;
  };

  // Runs of `pitch` floats that one row of every phase takes.
  int64_t planes() const { return group_channels(convolution_) * row_axis_.phases * column_axis_.phases; }
  int64_t most_columns() const {
    const int64_t fitting = kTileInputs / (planes() * (1 + row_axis_.halo)) - column_axis_.halo;
    return std::min(kTileOutputs, fitting);
  }
  int64_t most_rows() const {
    const int64_t fitting = kTileInputs / (planes() * pitch_) - row_axis_.halo;
    return std::clamp<int64_t>(kTileOutputs / pitch_, 1, fitting);
  }
  // So many that a task is worth handing to a thread.
  int64_t choose_groups() const {
    const int64_t products =
        rows_ * columns_ * group_outputs(convolution_) * static_cast<int64_t>(weight_.rows.columns);
    return std::clamp<int64_t>(kTaskProducts / products, 1, static_cast<int64_t>(convolution_.groups));
  }

  int64_t choose_groups_at_once() const { return std::max<int64_t>(1, kTileInputs / group_floats()); }

  int64_t group_floats() const { return planes() * plane_floats(); }
  int64_t plane_floats() const { return (rows_ + row_axis_.halo) * pitch_; }
  int64_t plane_of(int64_t channel, int64_t row_phase, int64_t column_phase) const {
    return (channel * row_axis_.phases + row_phase) * column_axis_.phases + column_phase;
  }

  // What the elements of the kernel, or their runs, meet at the tile's first output.
  std::vector<size_t> all_offsets() const {
    std::vector<size_t> offsets;
    for (int64_t channel = 0; channel < group_channels(convolution_); ++channel)
      for (int64_t u = 0; u < convolution_.kernel[0]; ++u)
        for (int64_t v = 0; v < convolution_.kernel[1]; v += run_)
          offsets.push_back(static_cast<size_t>(
              plane_of(channel, row_axis_.phase_of(u), column_axis_.phase_of(v)) * plane_floats() +
              row_axis_.shift_of(u) * pitch_ + column_axis_.shift_of(v)));
    return offsets;
  }

  // Some groups at a time: what is copied is in the cache before it is multiplied. Pads lie at the same place
  // for every group, so they are zeroed once.
  void convolve(const Tile& tile, int64_t first_group, int64_t count) const {
    alignas(64) float inputs[kTileInputs + kLanes] = {};
    alignas(64) float outputs[kTileOutputs];
    for (int64_t done = 0; done < count; done += groups_at_once_)
      convolve_groups(tile, first_group + done, std::min(groups_at_once_, count - done), inputs, outputs);
  }

  void convolve_groups(const Tile& tile, int64_t first_group, int64_t count, float* inputs,
                       float* outputs) const {
    const int64_t each = group_outputs(convolution_), first_output = first_group * each;
    fill(tile, first_group, count, inputs);
    if (kernels_.prepare != nullptr)
      kernels_.prepare(static_cast<size_t>(count), static_cast<size_t>(group_floats()), inputs);
    for (int64_t i = 0; i < count * each; ++i) {
      multiply(tile, first_output + i, inputs + i / each * group_floats(), outputs);
      store(tile, first_output + i, outputs);
    }
  }

  // The channels of groups are neighbours in x, and in the tile.
  void fill(const Tile& tile, int64_t first_group, int64_t groups, float* inputs) const {
    const int64_t channels = group_channels(convolution_);
    for (int64_t a = 0; a < row_axis_.phases; ++a)
      for (int64_t b = 0; b < column_axis_.phases; ++b)
        fill_phase(tile, a, b, first_group * channels, groups * channels,
                   inputs + plane_of(0, a, b) * plane_floats());
  }

  void fill_phase(const Tile& tile, int64_t row_phase, int64_t column_phase, int64_t first_channel,
                  int64_t channels, float* plane) const {
    const Range rows =
        row_axis_.inside(row_phase, tile.first_row, tile.rows + row_axis_.halo, sizes_.input[0]);
    const Range columns = column_axis_.inside(column_phase, tile.first_column,
                                              tile.columns + column_axis_.halo, sizes_.input[1]);
    const RowsToCopy shape = {static_cast<size_t>(rows.end - rows.begin),
                              static_cast<size_t>(columns.end - columns.begin),
                              static_cast<size_t>(row_axis_.stride * sizes_.input[1]),
                              static_cast<size_t>(column_axis_.stride), static_cast<size_t>(pitch_)};
    if (shape.rows == 0 || shape.columns == 0) return;
    const int64_t image_size = sizes_.input[0] * sizes_.input[1];
    const int64_t first_image = tile.image * static_cast<int64_t>(convolution_.channels) + first_channel;
    const float* const from = x_ + first_image * image_size +
                              row_axis_.source(row_phase, tile.first_row + rows.begin) * sizes_.input[1] +
                              column_axis_.source(column_phase, tile.first_column + columns.begin);
    float* const to = plane + rows.begin * pitch_ + columns.begin;
    for (int64_t i = 0; i < channels; ++i)
      kernels_.copy.run(shape, from + i * image_size, to + i * plane_of(1, 0, 0) * plane_floats());
  }

  void multiply(const Tile& tile, int64_t output, const float* inputs, float* outputs) const {
    const auto row = static_cast<size_t>(output);
    const int64_t positions = (tile.rows - 1) * pitch_ + tile.columns;
    const Epilogue epilogue = epilogue_of(weight_, row);
    const DepthwiseBlock block = {row,
                                  offsets_.data(),
                                  static_cast<size_t>(run_),
                                  static_cast<size_t>(divide_up(positions, kLanes) * kLanes),
                                  epilogue.scale,
                                  epilogue.bias};
    kernels_.multiply.run(weight_.rows, block, inputs, outputs);
  }

  void store(const Tile& tile, int64_t output, const float* outputs) const {
    const int64_t plane = tile.image * static_cast<int64_t>(convolution_.outputs) + output;
    const int64_t y_row = plane * sizes_.output[0] + tile.first_row;
    const RowsToCopy shape = {static_cast<size_t>(tile.rows), static_cast<size_t>(tile.columns),
                              static_cast<size_t>(pitch_), 1, static_cast<size_t>(sizes_.output[1])};
    kernels_.copy.run(shape, outputs, y_ + y_row * sizes_.output[1] + tile.first_column);
  }

  const DepthwiseKernels& kernels_;
  const PackedWeight& weight_;
  const Convolution& convolution_;
  const ConvolutionSizes& sizes_;
  const float* const x_;
  float* const y_;
  const Axis row_axis_, column_axis_;
  const int64_t columns_, pitch_, rows_;  // of a tile
  const int64_t groups_;                  // of a task
  const int64_t groups_at_once_;
  const int64_t run_;  // of weights that meet neighbours
  const std::vector<size_t> offsets_;
};

}  // namespace

bool is_depthwise(const PackedWeight& weight, const Convolution& convolution) {
  const int64_t outputs = group_outputs(convolution), channels = group_channels(convolution);
  if (outputs > kFewOutputs || weight.rows.columns > kDepthwiseColumns || outputs * channels > kFewImages)
    return false;
  const Axis rows(convolution, 0), columns(convolution, 1);
  if (std::max({rows.phases, rows.halo, columns.phases, columns.halo}) > kTileInputs) return false;
  return channels * rows.phases * columns.phases * (1 + rows.halo) * (kLeastColumns + columns.halo) <=
         kTileInputs;
}

void convolve_depthwise(const DepthwiseKernels& kernels, const PackedWeight& weight,
                        const Convolution& convolution, const ConvolutionSizes& sizes, const float* x,
                        float* y, const Parallel& parallel) {
  Depthwise(kernels, weight, convolution, sizes, x, y).run(parallel);
}

}  // namespace qc
