// Shapes, and how messages write them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace qc {

using Shape = std::vector<int64_t>;

// "[2, 3]"
inline std::string as_text(const Shape& shape) {
  std::string text;
  for (int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

}  // namespace qc
