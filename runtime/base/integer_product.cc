#include "base/integer_product.h"

#include <algorithm>

#include "base/checked_arithmetic.h"

namespace qc {
namespace {

std::string check_attribute(const char* name, const std::optional<int64_t>& found, int64_t least,
                            int64_t most) {
  const std::string wanted = ", wanted an int from " + std::to_string(least) + " to " + std::to_string(most);
  if (!found) return std::string("attribute ") + name + " is missing" + wanted;
  if (*found >= least && *found <= most) return "";
  return std::string(name) + " is " + std::to_string(*found) + wanted;
}

std::string misfit(const char* name, const Operand& operand, const std::string& wanted) {
  return std::string(name) + " is " + as_text(operand) + ", wanted " + wanted;
}

// Whether all sizes, and that of the float32 result, are such that nothing overflows.
bool fits(const Shape& y_shape, ProductSizes* sizes) {
  size_t elements = 0, bytes = 0;
  return checked_product(y_shape.data(), y_shape.size() - 2, &sizes->matrices) &&
         checked_product(y_shape.data(), y_shape.size(), &elements) &&
         checked_multiply(elements, sizeof(float), &bytes) && y_shape.end()[-1] <= kMaxSize &&
         y_shape.end()[-2] <= kMaxSize;
}

}  // namespace

std::string check_integer_product(const IntegerProductClaim& claim, ProductCodes* codes) {
  std::string wrong = check_attribute("a_zero_point", claim.a_zero_point, 0, 255);
  if (wrong.empty()) wrong = check_attribute("b_zero_point", claim.b_zero_point, 0, 255);
  if (wrong.empty()) wrong = check_attribute("b_transposed", claim.b_transposed, 0, 1);
  if (wrong.empty() && claim.a_bits) wrong = check_attribute("a_bits", claim.a_bits, 1, 8);
  if (!wrong.empty()) return wrong;
  *codes = {static_cast<uint8_t>(*claim.a_zero_point), static_cast<uint8_t>(*claim.b_zero_point),
            *claim.b_transposed == 1};
  return "";
}

std::string check_product_operands(const Operand& a, const Operand& b, bool b_transposed, ProductSizes* sizes,
                                   Shape* y_shape) {
  const size_t rank = a.shape.size();
  if (a.type != ElementType::uint8 || rank < 2) return misfit("a", a, "uint8 [..., m, k]");
  const int64_t k = a.shape[rank - 1];
  if (k > static_cast<int64_t>(kMaxProductTerms))
    return misfit("a", a,
                  "a last axis of at most " + std::to_string(kMaxProductTerms) + ": sums must fit int32");
  Shape leading(a.shape.begin(), a.shape.end() - 2);
  const size_t inner = rank - (b_transposed ? 1 : 2), outer = rank - (b_transposed ? 2 : 1);
  if (b.type != ElementType::uint8 || b.shape.size() != rank || b.shape[inner] != k ||
      !std::equal(leading.begin(), leading.end(), b.shape.begin()))
    return misfit("b", b,
                  std::string("uint8 ") + (b_transposed ? "[..., n, k]" : "[..., k, n]") +
                      " for a, which is " + as_text(a.shape) + ": the same leading axes and k");
  *y_shape = leading;
  y_shape->insert(y_shape->end(), {a.shape[rank - 2], b.shape[outer]});
  if (!fits(*y_shape, sizes)) return "the output would be " + as_text(*y_shape) + ": too large";
  sizes->m = static_cast<size_t>(a.shape[rank - 2]);
  sizes->n = static_cast<size_t>(b.shape[outer]);
  sizes->k = static_cast<size_t>(k);
  return "";
}

}  // namespace qc
