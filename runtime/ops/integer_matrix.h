// What the operators that multiply by an integer matrix share.
#pragma once

#include "base/checked_arithmetic.h"
#include "ops/node.h"

namespace qc {

// The weight of such a node, if it keeps the rules.
inline IntegerWeight matrix_of(const IntegerWeightClaim& claim) {
  refuse_if(check_integer_attributes(claim));
  if (claim.weight_shape->size() != 2)
    throw Refusal("weight_shape is " + as_text(*claim.weight_shape) + ", wanted [n, k]");
  IntegerWeight weight;
  refuse_if(check_integer_weight(claim, 1, &weight));
  return weight;
}

// The rows of x [..., k] for a weight [n, k]; fills *y_shape.
inline size_t count_rows(const Operand& x, ElementType type, const Shape& weight_shape, Shape* y_shape) {
  if (x.type != type || x.shape.empty() || x.shape.back() != weight_shape[1])
    throw Refusal("x is " + as_text(x) + ", wanted " + (type == ElementType::uint8 ? "uint8" : "float32") +
                  " [..., " + std::to_string(weight_shape[1]) + "]");
  *y_shape = x.shape;
  y_shape->back() = weight_shape[0];
  size_t m = 0, bytes = 0;
  if (!checked_product(x.shape.data(), x.shape.size() - 1, &m) ||
      !checked_multiply(m, sizeof(float) * static_cast<size_t>(weight_shape[0]), &bytes) || m > kMaxSize)
    throw Refusal("the output would be " + as_text(*y_shape) + ": too large");
  return m;
}

}  // namespace qc
