// What convolutions and poolings share: lists of one number for each spatial axis. Knows no onnxruntime.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/checked_arithmetic.h"
#include "base/shape.h"

namespace qc {

// What is wrong with attribute `name`, which must be `count` ints, each from `least` to kMaxSize; empty where
// nothing.
inline std::string check_sizes(const char* name, const std::optional<Shape>& found, size_t count,
                               int64_t least) {
  const std::string wanted = std::string("wanted ") + std::to_string(count) + " ints, each from " +
                             std::to_string(least) + " to " + std::to_string(kMaxSize);
  if (!found) return std::string("attribute ") + name + " is missing, " + wanted;
  bool fits = found->size() == count;
  for (int64_t value : *found) fits = fits && value >= least && value <= kMaxSize;
  return fits ? "" : std::string(name) + " is " + as_text(*found) + ", " + wanted;
}

// The two axes of a list of one or two; a missing first axis is `neutral`.
inline std::array<int64_t, 2> two_axes(const int64_t* values, size_t axes, int64_t neutral) {
  return axes == 2 ? std::array<int64_t, 2>{values[0], values[1]}
                   : std::array<int64_t, 2>{neutral, values[0]};
}

}  // namespace qc
