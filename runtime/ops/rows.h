// What the operators have in common that make codes of rows of floats.
#pragma once

#include "base/checked_arithmetic.h"
#include "ops/node.h"

namespace qc {

struct RowSizes {
  size_t rows, columns;
};

// Of x [..., k]: the sums of at most so many columns are exact.
inline RowSizes read_rows(const Operand& x) {
  constexpr int64_t kMaxColumns = 32768;
  if (x.type != ElementType::float32 || x.shape.empty())
    throw Refusal("x is " + as_text(x) + ", wanted float32 [..., k]");
  if (x.shape.back() > kMaxColumns)
    throw Refusal("x is " + as_text(x) + ": rows are at most " + std::to_string(kMaxColumns) + " long");
  RowSizes sizes = {0, static_cast<size_t>(x.shape.back())};
  if (!checked_product(x.shape.data(), x.shape.size() - 1, &sizes.rows))
    throw Refusal("x is " + as_text(x) + ": too large");
  return sizes;
}

}  // namespace qc
