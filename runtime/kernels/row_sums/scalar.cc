#include "kernels/row_sums/row_sums.h"

namespace qc {

void row_sums_scalar(const RowsToSum& source, int32_t factor, int32_t* y) {
  for (size_t p = 0; p < source.rows; ++p) {
    int32_t sum = 0;
    for (size_t j = 0; j < source.columns; ++j) sum += source.x[p * source.stride + j];
    y[p] = factor * sum;
  }
}

}  // namespace qc
