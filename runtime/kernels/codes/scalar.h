// A float becomes a code.
#pragma once

#include <cstdint>

namespace qc {

// `v` rounded, ties to even, and cut to [least, most]; NaN gives `least`. Limits are whole numbers, so it may
// be cut first. Adding 1.5 * 2^23 leaves no bits behind the point, and rounds as the processor is set to:
// ties to even.
static inline uint8_t code_of(float v, uint8_t least, uint8_t most) {
  const float low = least, high = most;
  constexpr float kWhole = 12582912.0f;
  float cut = v > low ? v : low;
  cut = cut < high ? cut : high;
  return static_cast<uint8_t>(static_cast<int32_t>(cut + kWhole - kWhole));
}

}  // namespace qc
