#include "kernels/copy_rows/copy_rows.h"

namespace qc {

void copy_rows_scalar(const RowsToCopy& shape, const float* from, float* to) {
  for (size_t r = 0; r < shape.rows; ++r)
    for (size_t i = 0; i < shape.columns; ++i)
      to[r * shape.to_stride + i] = from[r * shape.from_stride + i * shape.step];
}

}  // namespace qc
