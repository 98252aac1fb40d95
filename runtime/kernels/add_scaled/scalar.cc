#include "kernels/add_scaled/add_scaled.h"

namespace qc {

void add_scaled_scalar(const RowsToAdd& shape, float factor, const float* x, float* y) {
  for (size_t r = 0; r < shape.rows; ++r)
    for (size_t i = 0; i < shape.columns; ++i)
      y[r * shape.y_stride + i] += factor * x[r * shape.x_stride + i * shape.step];
}

}  // namespace qc
