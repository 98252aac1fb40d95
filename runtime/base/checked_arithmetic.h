// Products and sums that report overflow: every size from a file goes through these.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

// No single size of a tensor or attribute may exceed this, so that a product of two never overflows int64.
constexpr int64_t kMaxSize = (int64_t{1} << 31) - 1;

// *result = a * b; false if it does not fit (then *result is not set to anything useful).
[[nodiscard]] inline bool checked_multiply(size_t a, size_t b, size_t* result) {
  return !__builtin_mul_overflow(a, b, result);
}

[[nodiscard]] inline bool checked_add(size_t a, size_t b, size_t* result) {
  return !__builtin_add_overflow(a, b, result);
}

// The product of `count` sizes. A zero anywhere gives zero, however large the others are.
[[nodiscard]] inline bool checked_product(const int64_t* sizes, size_t count, size_t* result) {
  size_t product = 1;
  bool fits = true;
  for (size_t axis = 0; axis < count; ++axis) {
    if (sizes[axis] < 0) return false;
    if (sizes[axis] == 0) return *result = 0, true;
    fits = fits && checked_multiply(product, static_cast<size_t>(sizes[axis]), &product);
  }
  *result = product;
  return fits;
}

}  // namespace qc
