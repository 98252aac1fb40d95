// The codes that a quantized result may take, and what a message says where they are no range.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace qc {

struct CodeRange {
  uint8_t least = 0, most = 255;
};

// Fills *range, or returns what is wrong with the attributes y_min and y_max.
inline std::string check_code_range(const std::optional<int64_t>& y_min, const std::optional<int64_t>& y_max,
                                    CodeRange* range) {
  if (!y_min) return "attribute y_min is missing, wanted an int from 0 to 255";
  if (!y_max) return "attribute y_max is missing, wanted an int from 0 to 255";
  if (*y_min < 0 || *y_min > *y_max || *y_max > 255)
    return "y_min is " + std::to_string(*y_min) + " and y_max " + std::to_string(*y_max) +
           ", wanted 0 <= y_min <= y_max <= 255";
  *range = {static_cast<uint8_t>(*y_min), static_cast<uint8_t>(*y_max)};
  return "";
}

}  // namespace qc
