#include "kernels/quantize_rows/scalar.h"

#include <algorithm>
#include <cmath>

namespace qc {
namespace {

CodedRow read_row(const RowsToQuantize& shape, const float* x) {
  float low = 0, high = 0;
  bool is_finite = true;
  for (size_t j = 0; j < shape.columns; ++j) {
    low = std::min(low, x[j]);
    high = std::max(high, x[j]);
    is_finite = is_finite && std::isfinite(x[j]);
  }
  return coded_row(low, high, is_finite, shape.most);
}

}  // namespace

void quantize_rows_scalar(const RowsToQuantize& shape, const float* x, uint8_t* y, CodedRow* coded) {
  const size_t bytes = bytes_of_codes(shape.columns);
  for (size_t p = 0; p < shape.rows; ++p, x += shape.columns, y += bytes) {
    coded[p] = read_row(shape, x);
    std::fill_n(y, bytes, uint8_t{0});
    if (!has_codes(coded[p])) continue;
    const auto zero_point = static_cast<float>(coded[p].zero_point), most = static_cast<float>(shape.most);
    for (size_t j = 0; j < shape.columns; ++j) {
      const float code = std::rint(x[j] / coded[p].step) + zero_point;
      y[j] = static_cast<uint8_t>(std::min(std::max(code, 0.0f), most));
    }
  }
}

}  // namespace qc
