// A product of two tensors of codes: what its node says, what its operands are, and what is wrong with
// either. Knows no onnxruntime.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/operand.h"
#include "base/shape.h"

namespace qc {

constexpr size_t kMaxAxes = 8;
constexpr size_t kMaxProductTerms = 32768;  // 32768 * 255 * 255 is below 2^31

// Attributes as they were found.
struct IntegerProductClaim {
  std::optional<int64_t> a_zero_point, b_zero_point, a_bits;
  std::optional<Shape> a_perm, b_perm, y_perm;
  std::optional<Shape> a_shape, b_shape, y_shape;
};

struct ProductCodes {
  uint8_t a_zero_point = 0, b_zero_point = 0;
  Shape a_perm, b_perm, y_perm;     // orders of the same two or more axes, as the format wants them
  Shape a_shape, b_shape, y_shape;  // the axes before the orders, and behind; empty: as they are
};

// Where the rows and columns of the matrices of one tensor lie, in elements.
struct MatrixStrides {
  std::vector<size_t> leading;
  size_t row, column;
};

// a [leading..., m, k] times b [leading..., k, n] is y [leading..., m, n], each wherever its order puts it.
struct ProductSizes {
  std::vector<size_t> leading;
  size_t matrices, m, n, k;
  MatrixStrides a, b, y;
};

// Where a matrix begins.
size_t offset_of_matrix(const ProductSizes& sizes, const MatrixStrides& strides, size_t matrix);

// Fills *codes, or returns what is wrong.
std::string check_integer_product(const IntegerProductClaim& claim, ProductCodes* codes);

// Fills *sizes and *y_shape for what the operands are at run time, or returns what is wrong. The bytes of a
// float32 result fit size_t.
std::string check_product_operands(const Operand& a, const Operand& b, const ProductCodes& codes,
                                   ProductSizes* sizes, Shape* y_shape);

}  // namespace qc
