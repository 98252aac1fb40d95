#include "kernels/normalize_rows/scalar.h"

#include <algorithm>
#include <cmath>

namespace qc {
namespace {

void normalize_row(const RowsToNormalize& shape, const float* x, uint8_t* y) {
  float largest = 0;
  bool is_finite = true;
  for (size_t j = 0; j < shape.columns; ++j) {
    largest = std::max(largest, std::abs(x[j]));
    is_finite = is_finite && std::isfinite(x[j]);
  }
  if (!is_finite) return static_cast<void>(std::fill_n(y, shape.columns, shape.least));
  const float units = units_of(largest);
  int64_t total = 0, squares = 0;
  for (size_t j = 0; j < shape.columns; ++j) {
    const auto number = static_cast<int64_t>(std::rint(x[j] * units));
    total += number;
    squares += number * number;
  }
  const RowMoments row = moments_of(shape, units, total, squares);
  for (size_t j = 0; j < shape.columns; ++j) {
    const float normal = (std::rint(x[j] * units) - row.center) * row.gain;
    y[j] = code_of(normal * shape.scale[j] + shape.bias[j], shape.least, shape.most);
  }
}

}  // namespace

void normalize_rows_scalar(const RowsToNormalize& shape, const float* x, uint8_t* y) {
  for (size_t p = 0; p < shape.rows; ++p) normalize_row(shape, x + p * shape.columns, y + p * shape.columns);
}

}  // namespace qc
