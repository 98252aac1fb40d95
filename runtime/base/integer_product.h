// A product of two tensors of codes: what its node says, what its operands are, and what is wrong with
// either. Knows no onnxruntime.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/operand.h"

namespace qc {

constexpr size_t kMaxProductTerms = 32768;  // 32768 * 255 * 255 is below 2^31

// Attributes as they were found.
struct IntegerProductClaim {
  std::optional<int64_t> a_zero_point, b_zero_point, b_transposed, a_bits;
};

struct ProductCodes {
  uint8_t a_zero_point, b_zero_point;
  bool b_transposed;
};

// a [matrices, m, k] times b [matrices, k, n], which b_transposed has as [matrices, n, k].
struct ProductSizes {
  size_t matrices, m, n, k;
};

// Fills *codes, or returns what is wrong.
std::string check_integer_product(const IntegerProductClaim& claim, ProductCodes* codes);

// Fills *sizes and *y_shape for what the operands are at run time, or returns what is wrong. The bytes of a
// float32 result fit size_t.
std::string check_product_operands(const Operand& a, const Operand& b, bool b_transposed, ProductSizes* sizes,
                                   Shape* y_shape);

}  // namespace qc
