// A float becomes the upper half of its bits.
#pragma once

#include <cstdint>
#include <cstring>

namespace qc {

static inline uint32_t float_bits(float v) {
  uint32_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  return bits;
}

static inline float float_of_bits(uint32_t bits) {
  float v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}

// Half a step is added, less one where the last bit that stays is zero: only then does a tie stay below. A
// carry runs into the exponent, as it should. NaN could become infinity or zero so: it keeps a bit that says
// what it is.
static inline uint16_t bfloat16_bits_of(float v) {
  const uint32_t bits = float_bits(v);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

static inline float float_of_bfloat16_bits(uint32_t bits) { return float_of_bits(bits << 16); }

}  // namespace qc
