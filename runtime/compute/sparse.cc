#include "compute/sparse.h"

#include <algorithm>

namespace qc {
namespace {

constexpr size_t kTaskVectors = 16;                  // whose x stays in a near cache
constexpr size_t kTaskOperations = size_t{1} << 14;  // several microseconds: more than a thread takes to wake

size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }

// What each output costs: its base and the corrections of a row.
size_t operations_of_row(const Corrections& corrections) {
  return corrections.rows.size() / corrections.outputs + 1;
}

struct Range {
  int64_t begin, end;
};

// The outputs of one axis for which element `element` of the kernel lies on the image; begin <= end. Every
// size is at most 2^31 - 1, so nothing overflows.
Range inside(const Convolution& convolution, const ConvolutionSizes& sizes, size_t axis, int64_t element) {
  const int64_t stride = convolution.strides[axis];
  const int64_t shift = element * convolution.dilations[axis] - convolution.pads_begin[axis];
  const int64_t last = sizes.input[axis] - 1 - shift;
  const int64_t begin = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
  const int64_t end = last < 0 ? 0 : std::min(last / stride + 1, sizes.output[axis]);
  return {std::min(begin, end), end};
}

// One call of add_sparse_convolution. A plane is one output of one image.
class SparseConvolution {
 public:
  SparseConvolution(const AddScaled& kernel, const Corrections& corrections, const Convolution& convolution,
                    const ConvolutionSizes& sizes, const float* x)
      : kernel_(kernel), corrections_(corrections), convolution_(convolution), sizes_(sizes), x_(x) {}

  void add_to_plane(size_t image, size_t output, const float* base, float* y) const {
    std::copy(base, base + plane_size(sizes_.output), y);
    const SparseElements elements = corrections_.elements(output, 1);
    for (size_t c = 0; c < elements.count; ++c)
      add(image, output, elements.columns[c], elements.values[c], y);
  }

  static size_t plane_size(const std::array<int64_t, 2>& sizes) {
    return static_cast<size_t>(sizes[0]) * static_cast<size_t>(sizes[1]);
  }

 private:
  // `column` counts through the group's channels, kernel height, kernel width.
  void add(size_t image, size_t output, size_t column, float value, float* y) const {
    const auto height = static_cast<size_t>(convolution_.kernel[0]),
               width = static_cast<size_t>(convolution_.kernel[1]);
    const auto u = static_cast<int64_t>(column / width % height), v = static_cast<int64_t>(column % width);
    const Range rows = inside(convolution_, sizes_, 0, u), columns = inside(convolution_, sizes_, 1, v);
    if (rows.begin == rows.end || columns.begin == columns.end) return;
    const RowsToAdd shape = {
        static_cast<size_t>(rows.end - rows.begin), static_cast<size_t>(columns.end - columns.begin),
        static_cast<size_t>(convolution_.strides[0] * sizes_.input[1]),
        static_cast<size_t>(convolution_.strides[1]), static_cast<size_t>(sizes_.output[1])};
    const float* const plane = input_plane(image, output, column / width / height);
    kernel_.run(shape, value, plane + offset(rows.begin, u, columns.begin, v),
                y + rows.begin * sizes_.output[1] + columns.begin);
  }

  const float* input_plane(size_t image, size_t output, size_t channel) const {
    const size_t group_channels = convolution_.channels / convolution_.groups;
    const size_t group = output / (convolution_.outputs / convolution_.groups);
    const size_t plane = image * convolution_.channels + group * group_channels + channel;
    return x_ + plane * plane_size(sizes_.input);
  }

  // Where in an image the kernel's element (u, v) lies for one output.
  int64_t offset(int64_t row, int64_t u, int64_t column, int64_t v) const {
    const Convolution& c = convolution_;
    return (row * c.strides[0] + u * c.dilations[0] - c.pads_begin[0]) * sizes_.input[1] +
           column * c.strides[1] + v * c.dilations[1] - c.pads_begin[1];
  }

  const AddScaled& kernel_;
  const Corrections& corrections_;
  const Convolution& convolution_;
  const ConvolutionSizes& sizes_;
  const float* x_;
};

}  // namespace

void add_sparse_product(const AddElements& kernel, const Corrections& corrections, size_t m, const float* x,
                        const float* base, float* y, const Parallel& parallel) {
  const size_t outputs = corrections.outputs, columns = corrections.columns;
  const size_t vectors = std::min(m, kTaskVectors);
  const size_t rows =
      std::clamp<size_t>(kTaskOperations / vectors / operations_of_row(corrections), 1, outputs);
  const size_t row_tasks = divide_up(outputs, rows);
  parallel(divide_up(m, vectors) * row_tasks, [&](size_t task) {
    const size_t row = task % row_tasks * rows, task_rows = std::min(rows, outputs - row);
    const size_t first = task / row_tasks * vectors, task_vectors = std::min(vectors, m - first);
    for (size_t p = first; p < first + task_vectors; ++p)
      std::copy(base + p * outputs + row, base + p * outputs + row + task_rows, y + p * outputs + row);
    kernel.run(corrections.elements(row, task_rows), {task_vectors, columns, outputs}, x + first * columns,
               y + first * outputs);
  });
}

void add_sparse_convolution(const AddScaled& kernel, const Corrections& corrections,
                            const Convolution& convolution, const ConvolutionSizes& sizes, const float* x,
                            const float* base, float* y, const Parallel& parallel) {
  const SparseConvolution sparse(kernel, corrections, convolution, sizes, x);
  const size_t positions = SparseConvolution::plane_size(sizes.output);
  const size_t planes = sizes.batch * convolution.outputs;
  const size_t task_planes =
      std::max<size_t>(1, kTaskOperations / positions / operations_of_row(corrections));
  parallel(divide_up(planes, task_planes), [&](size_t task) {
    const size_t first = task * task_planes;
    for (size_t plane = first; plane < std::min(planes, first + task_planes); ++plane)
      sparse.add_to_plane(plane / convolution.outputs, plane % convolution.outputs, base + plane * positions,
                          y + plane * positions);
  });
}

}  // namespace qc
