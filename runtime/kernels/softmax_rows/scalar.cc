#include "kernels/codes/scalar.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "kernels/softmax_rows/constants.h"
#include "kernels/softmax_rows/softmax_rows.h"

namespace qc {
namespace {

int32_t unit_of(float below) {
  const float exponent = std::max(below * kLog2OfE, kLeastExponent);
  const float whole = std::rint(exponent), rest = exponent - whole;
  float power = kPower[0];
  for (size_t i = 1; i < std::size(kPower); ++i) power = power * rest + kPower[i];
  return static_cast<int32_t>(std::rint(std::ldexp(power, kUnitBits + static_cast<int>(whole))));
}

void softmax_row(const RowsOfSoftmax& shape, const float* x, uint8_t* y, int32_t* units) {
  float largest = -std::numeric_limits<float>::infinity();
  bool has_nan = false;
  for (size_t j = 0; j < shape.columns; ++j) {
    largest = std::max(largest, x[j]);
    has_nan = has_nan || std::isnan(x[j]);
  }
  if (has_nan || !std::isfinite(largest))
    return static_cast<void>(std::fill_n(y, shape.columns, shape.least));
  int64_t total = 0;
  for (size_t j = 0; j < shape.columns; ++j) total += units[j] = unit_of(x[j] - largest);
  const float gain = shape.scale / static_cast<float>(total);
  for (size_t j = 0; j < shape.columns; ++j)
    y[j] = code_of(static_cast<float>(units[j]) * gain + shape.bias, shape.least, shape.most);
}

}  // namespace

void softmax_rows_scalar(const RowsOfSoftmax& shape, const float* x, uint8_t* y, int32_t* units) {
  for (size_t p = 0; p < shape.rows; ++p)
    softmax_row(shape, x + p * shape.columns, y + p * shape.columns, units);
}

}  // namespace qc
