#include "kernels/add_elements/add_elements.h"

namespace qc {

// A row's sum stays in a register until the next row begins.
void add_elements_scalar(const SparseElements& weight, const Vectors& vectors, const float* x, float* y) {
  for (size_t v = 0; v < vectors.count; ++v, x += vectors.x_stride, y += vectors.y_stride) {
    for (size_t c = 0; c < weight.count;) {
      const uint32_t row = weight.rows[c];
      float sum = y[row];
      for (; c < weight.count && weight.rows[c] == row; ++c) sum += weight.values[c] * x[weight.columns[c]];
      y[row] = sum;
    }
  }
}

}  // namespace qc
