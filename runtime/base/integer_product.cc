#include "base/integer_product.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/checked_arithmetic.h"
#include "base/reshape.h"

namespace qc {
namespace {

std::string check_attribute(const char* name, const std::optional<int64_t>& found, int64_t least,
                            int64_t most) {
  const std::string wanted = ", wanted an int from " + std::to_string(least) + " to " + std::to_string(most);
  if (!found) return std::string("attribute ") + name + " is missing" + wanted;
  if (*found >= least && *found <= most) return "";
  return std::string(name) + " is " + std::to_string(*found) + wanted;
}

// Whether `perm` orders the axes of `rank`.
bool is_order(const std::optional<Shape>& perm, size_t rank) {
  if (!perm || perm->size() != rank) return false;
  for (size_t axis = 0; axis < rank; ++axis)
    if (std::count(perm->begin(), perm->end(), static_cast<int64_t>(axis)) != 1) return false;
  return true;
}

std::string as_text_or_absent(const std::optional<Shape>& perm) { return perm ? as_text(*perm) : "absent"; }

std::string check_orders(const IntegerProductClaim& claim) {
  const size_t rank = claim.a_perm ? claim.a_perm->size() : 0;
  const auto last = static_cast<int64_t>(rank) - 1;
  if (rank >= 2 && rank <= kMaxAxes && is_order(claim.a_perm, rank) && is_order(claim.b_perm, rank) &&
      is_order(claim.y_perm, rank) && claim.a_perm->back() == last && claim.y_perm->back() == last &&
      (claim.b_perm->back() == last || claim.b_perm->end()[-2] == last))
    return "";
  return "a_perm " + as_text_or_absent(claim.a_perm) + ", b_perm " + as_text_or_absent(claim.b_perm) +
         " and y_perm " + as_text_or_absent(claim.y_perm) + " are no orders of the same axes, 2 to " +
         std::to_string(kMaxAxes) +
         ", in which the last axis of a stays the last, that of b one of the last two and that of y the last";
}

std::string check_shapes(const IntegerProductClaim& claim) {
  const size_t rank = claim.a_perm->size();
  std::string wrong = check_reshape("a_shape", claim.a_shape, rank, rank);
  if (wrong.empty()) wrong = check_reshape("b_shape", claim.b_shape, rank, rank);
  return wrong.empty() ? check_reshape("y_shape", claim.y_shape, 1, kMaxAxes) : wrong;
}

std::string misfit(const char* name, const Shape& shape, const std::string& wanted) {
  return std::string(name) + " is uint8 " + as_text(shape) + ", wanted " + wanted;
}

// Whether all sizes of the product, and that of the float32 result, are such that nothing overflows.
bool fits(const Shape& product, ProductSizes* sizes) {
  size_t elements = 0, bytes = 0;
  return checked_product(product.data(), product.size() - 2, &sizes->matrices) &&
         checked_product(product.data(), product.size(), &elements) &&
         checked_multiply(elements, sizeof(float), &bytes) && product.end()[-1] <= kMaxSize &&
         product.end()[-2] <= kMaxSize;
}

Shape in_order(const Shape& shape, const Shape& perm) {
  Shape ordered;
  for (int64_t axis : perm) ordered.push_back(shape[static_cast<size_t>(axis)]);
  return ordered;
}

// Strides of the axes of a tensor of `shape`, none of which is so large that they overflow unless it is
// empty.
std::vector<size_t> strides_of(const Shape& shape) {
  std::vector<size_t> strides(shape.size(), 1);
  for (size_t axis = shape.size() - 1; axis > 0; --axis)
    strides[axis - 1] = strides[axis] * static_cast<size_t>(shape[axis]);
  return strides;
}

MatrixStrides split(std::vector<size_t> strides) {
  const size_t column = strides.back(), row = strides.end()[-2];
  strides.resize(strides.size() - 2);
  return {std::move(strides), row, column};
}

// Of the axes as the product reads them.
MatrixStrides strides_before(const Shape& shape, const Shape& perm) {
  const std::vector<size_t> strides = strides_of(shape);
  std::vector<size_t> ordered;
  for (int64_t axis : perm) ordered.push_back(strides[static_cast<size_t>(axis)]);
  return split(std::move(ordered));
}

// Of the axes as the product writes them, where they become `y_shape`.
MatrixStrides strides_behind(const Shape& y_shape, const Shape& perm) {
  const std::vector<size_t> strides = strides_of(y_shape);
  std::vector<size_t> ordered(perm.size());
  for (size_t axis = 0; axis < perm.size(); ++axis) ordered[static_cast<size_t>(perm[axis])] = strides[axis];
  return split(std::move(ordered));
}

// Fills *product with the shape of the result before its order, or returns why there is none.
std::string check_axes(const Shape& a, const Shape& b, const ProductCodes& codes, Shape* product) {
  const size_t rank = codes.a_perm.size();
  const std::string axes = "uint8 of " + std::to_string(rank) + " axes";
  if (a.size() != rank) return misfit("a", a, axes);
  if (b.size() != rank) return misfit("b", b, axes);
  const Shape left = in_order(a, codes.a_perm), right = in_order(b, codes.b_perm);
  const int64_t k = left.back();
  if (k > static_cast<int64_t>(kMaxProductTerms))
    return misfit("a", a,
                  "a last axis of at most " + std::to_string(kMaxProductTerms) + ": sums must fit int32");
  if (right.end()[-2] != k || !std::equal(left.begin(), left.end() - 2, right.begin()))
    return misfit("b", b,
                  "axes that are " + as_text(right) +
                      " in their order to be [..., k, n] for a [..., m, k], which is " + as_text(left) +
                      ": the same leading axes and k");
  *product = left;
  product->back() = right.back();
  return "";
}

void fill(const Shape& product, int64_t k, ProductSizes* sizes) {
  sizes->leading.assign(product.begin(), product.end() - 2);
  sizes->m = static_cast<size_t>(product.end()[-2]);
  sizes->n = static_cast<size_t>(product.back());
  sizes->k = static_cast<size_t>(k);
}

}  // namespace

size_t offset_of_matrix(const ProductSizes& sizes, const MatrixStrides& strides, size_t matrix) {
  size_t offset = 0;
  for (size_t axis = sizes.leading.size(); axis > 0; --axis) {
    offset += matrix % sizes.leading[axis - 1] * strides.leading[axis - 1];
    matrix /= sizes.leading[axis - 1];
  }
  return offset;
}

std::string check_integer_product(const IntegerProductClaim& claim, ProductCodes* codes) {
  std::string wrong = check_attribute("a_zero_point", claim.a_zero_point, 0, 255);
  if (wrong.empty()) wrong = check_attribute("b_zero_point", claim.b_zero_point, 0, 255);
  if (wrong.empty() && claim.a_bits) wrong = check_attribute("a_bits", claim.a_bits, 1, 8);
  if (wrong.empty()) wrong = check_orders(claim);
  if (wrong.empty()) wrong = check_shapes(claim);
  if (!wrong.empty()) return wrong;
  *codes = {static_cast<uint8_t>(*claim.a_zero_point),
            static_cast<uint8_t>(*claim.b_zero_point),
            *claim.a_perm,
            *claim.b_perm,
            *claim.y_perm,
            claim.a_shape.value_or(Shape{}),
            claim.b_shape.value_or(Shape{}),
            claim.y_shape.value_or(Shape{})};
  return "";
}

std::string check_product_operands(const Operand& a, const Operand& b, const ProductCodes& codes,
                                   ProductSizes* sizes, Shape* y_shape) {
  Shape a_shape, b_shape, product, y;
  for (const auto& [name, operand, target, shape] :
       {std::tuple{"a", &a, &codes.a_shape, &a_shape}, std::tuple{"b", &b, &codes.b_shape, &b_shape}}) {
    if (operand->type != ElementType::uint8)
      return std::string(name) + " is " + as_text(*operand) + ", wanted uint8";
    const std::string wrong = reshape(name, operand->shape, *target, shape);
    if (!wrong.empty()) return wrong;
  }
  const std::string wrong = check_axes(a_shape, b_shape, codes, &product);
  if (!wrong.empty()) return wrong;
  if (!fits(product, sizes)) return "the output would be " + as_text(product) + ": too large";
  y = in_order(product, codes.y_perm);
  fill(product, a_shape.back(), sizes);
  sizes->a = strides_before(a_shape, codes.a_perm);
  sizes->b = strides_before(b_shape, codes.b_perm);
  sizes->y = strides_behind(y, codes.y_perm);
  return reshape("y", y, codes.y_shape, y_shape);
}

}  // namespace qc
