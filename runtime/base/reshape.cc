#include "base/reshape.h"

#include <algorithm>
#include <cstdint>

#include "base/checked_arithmetic.h"

namespace qc {
namespace {

constexpr int64_t kSame = 0, kRest = -1;

// The size with which axes whose product is `others` hold `elements`; -1 if there is none.
int64_t size_of_rest(size_t elements, size_t others) {
  if (others == 0) return -1;  // any would do
  const size_t size = elements / others;
  return elements % others == 0 && size <= static_cast<size_t>(kMaxSize) ? static_cast<int64_t>(size) : -1;
}

// The product of all sizes but kRest.
bool product_of_others(const Shape& shape, size_t* product) {
  Shape others = shape;
  std::replace(others.begin(), others.end(), kRest, int64_t{1});
  return checked_product(others.data(), others.size(), product);
}

}  // namespace

std::string check_reshape(const char* name, const std::optional<Shape>& target, size_t least_axes,
                          size_t most_axes) {
  if (!target || target->empty()) return "";
  const bool are_sizes = std::all_of(target->begin(), target->end(),
                                     [](int64_t size) { return size >= kRest && size <= kMaxSize; });
  if (are_sizes && target->size() >= least_axes && target->size() <= most_axes &&
      std::count(target->begin(), target->end(), kRest) <= 1)
    return "";
  return std::string(name) + " is " + as_text(*target) + ", wanted a size of each axis, " +
         std::to_string(least_axes) + " to " + std::to_string(most_axes) +
         ": 0 for the one it has, one -1 for what is left";
}

std::string reshape(const char* name, const Shape& from, const Shape& target, Shape* to) {
  *to = target.empty() ? from : target;
  if (target.empty()) return "";
  const std::string misfit =
      std::string(name) + " is " + as_text(from) + ", which cannot be shaped " + as_text(target);
  for (size_t axis = 0; axis < target.size(); ++axis) {
    if (target[axis] != kSame) continue;
    if (axis >= from.size()) return misfit;
    (*to)[axis] = from[axis];
  }
  size_t elements = 0, others = 0;
  if (!checked_product(from.data(), from.size(), &elements) || !product_of_others(*to, &others))
    return misfit;
  const auto rest = std::find(to->begin(), to->end(), kRest);
  if (rest != to->end()) {
    *rest = size_of_rest(elements, others);
    return *rest < 0 ? misfit : "";
  }
  return elements == others ? "" : misfit;
}

}  // namespace qc
