// What the tests share: reports, random operands, buffers between guard pages.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/packed_rows.h"

namespace qc::test {

inline int failures = 0;

// Prints the first few failures only; all are counted.
inline void expect(bool holds, const std::string& what) {
  if (!holds && ++failures <= 20) std::printf("FAILED: %s\n", what.c_str());
}

inline void expect_contains(const std::string& text, const std::string& part) {
  expect(text.find(part) != std::string::npos, "'" + text + "' does not contain '" + part + "'");
}

inline int result(size_t checked) {
  if (checked == 0) return std::printf("nothing was checked\n"), 1;
  std::printf("%zu checked, %d failed\n", checked, failures);
  return failures == 0 ? 0 : 1;
}

using Random = std::mt19937_64;

inline size_t uniform(Random& random, size_t low, size_t high) {
  return std::uniform_int_distribution<size_t>(low, high)(random);
}

inline std::vector<float> normal_floats(Random& random, size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// Which end of a buffer touches a page that may not be touched; the other end is at most a page away from
// one.
enum class Flush { low, high };

// `count` elements between two guard pages: reading or writing beyond the flush end is a fault.
template <typename T>
class Guarded {
 public:
  Guarded(size_t count, Flush flush) : count_(count) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t inside = (count * sizeof(T) + page - 1) / page * page + page;
    size_ = inside + 2 * page;
    base_ = static_cast<char*>(mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED || mprotect(base_ + page, inside, PROT_READ | PROT_WRITE) != 0) std::abort();
    char* const low = base_ + page;
    data_ = reinterpret_cast<T*>(flush == Flush::low ? low : low + inside - count * sizeof(T));
  }
  Guarded(const std::vector<T>& values, Flush flush) : Guarded(values.size(), flush) {
    if (!values.empty()) std::memcpy(data_, values.data(), values.size() * sizeof(T));
  }
  ~Guarded() { munmap(base_, size_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* data() { return data_; }
  size_t size() const { return count_; }
  void fill(T value) {
    for (size_t i = 0; i < count_; ++i) data_[i] = value;
  }

 private:
  size_t count_, size_;
  char* base_;
  T* data_;
};

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The bfloat16 value next to v by its definition: of the two around it the nearer one, in float64; of two as
// near the one whose last bit is zero. Both neighbours of what is beyond the largest are multiples of its
// step: 2^128 stands for infinity.
inline float nearest_bfloat16(float v) {
  if (std::isnan(v) || std::isinf(v) || v == 0) return v;
  int exponent = 0;
  std::frexp(static_cast<double>(v), &exponent);
  const double step = std::ldexp(1.0, std::max(exponent, -125) - 8);
  const double below = std::floor(static_cast<double>(v) / step);
  const double rest = static_cast<double>(v) / step - below;
  const bool up = rest > 0.5 || (rest == 0.5 && std::fmod(below, 2.0) != 0);
  const double nearest = (up ? below + 1 : below) * step;
  if (std::abs(nearest) >= std::ldexp(1.0, 128))
    return std::copysign(std::numeric_limits<float>::infinity(), v);
  return std::copysign(static_cast<float>(nearest), v);
}

// A random weight, in plain form and packed.
struct RandomWeight {
  size_t rows, columns, bits, groups;
  std::vector<uint8_t> values;  // one index each
  std::vector<uint8_t> packed;
  std::vector<float> codebook;  // [groups, 2^bits], ascending rows

  RandomWeight(Random& random, size_t rows_, size_t columns_, size_t bits_, size_t groups_)
      : rows(rows_), columns(columns_), bits(bits_), groups(groups_), values(rows_ * columns_) {
    for (uint8_t& value : values) value = static_cast<uint8_t>(uniform(random, 0, (size_t{1} << bits) - 1));
    packed.assign((values.size() * bits + 7) / 8, 0);
    for (size_t i = 0; i < values.size(); ++i)
      for (size_t b = 0; b < bits; ++b)
        if (values[i] >> b & 1)
          packed[(i * bits + b) / 8] |= static_cast<uint8_t>(1u << ((i * bits + b) % 8));
    const size_t entries = size_t{1} << bits;
    for (size_t g = 0; g < groups; ++g) {
      float entry = -1;
      for (float step : normal_floats(random, entries)) codebook.push_back(entry += std::abs(step) * 0.1f);
    }
  }

  // Rounding keeps rows ascending.
  RandomWeight& round_codebook() {
    for (float& entry : codebook) entry = nearest_bfloat16(entry);
    return *this;
  }

  double at(size_t row, size_t column) const {
    return codebook[(row / (rows / groups) << bits) + values[row * columns + column]];
  }
  PackedRows view(const uint8_t* indices, const float* entries) const {
    return {indices, packed.size(), bits, columns, rows / groups, entries};
  }
};

// A float32 result and the bound on its error.
//
// Each product passes at most one rounding of its own and, in any order of summation, at most k additions of
// which the first, to zero, is exact; so it carries at most k roundings (k - 1 additions and the product's
// own, or, with fused operations, k). The scale and the bias add one each: k + 2. With u = 2^-24 each is a
// factor within 1 +- u, and (1 + u)^n - 1 <= n u / (1 - n u) <= 1.01 n u for n u < 0.0099, that is k <
// 160000. No term is so small that it underflows. So |y - exact| <= 1.01 (k + 2) u (sum |x w| |scale| +
// |bias|).
struct Reference {
  double sum = 0, magnitude = 0;

  void add(double x, double w) {
    sum += x * w;
    magnitude += std::abs(x * w);
  }
  void finish(double scale, double bias) {
    sum = sum * scale + bias;
    magnitude = magnitude * std::abs(scale) + std::abs(bias);
  }
  bool allows(float found, size_t k) const {
    const double bound = 1.01 * static_cast<double>(k + 2) * std::ldexp(magnitude, -24);
    return std::abs(static_cast<double>(found) - sum) <= bound;  // false for NaN
  }
};

}  // namespace qc::test
