// The sums of codes, 64 bits at a time, by an instruction that every processor with AVX2 has. For ISA files.
#pragma once

#include "kernels/integer_popcount/integer_popcount.h"

namespace qc {
namespace {

// Not the builtin: a compiler would make vectors of a loop that is too short for them.
inline uint64_t count_bits(uint64_t bits) {
  uint64_t count;
  __asm__("popcnt %1, %0" : "=r"(count) : "r"(bits));
  return count;
}

template <typename Bits>
inline uint64_t count_bits_at(const uint8_t* bytes) {
  Bits bits;
  __builtin_memcpy(&bits, bytes, sizeof(bits));
  return count_bits(bits);
}

inline uint64_t count_bits_of(const uint8_t* bytes, size_t count) {
  uint64_t bits = 0;
  for (; count >= sizeof(uint64_t); count -= sizeof(uint64_t), bytes += sizeof(uint64_t))
    bits += count_bits_at<uint64_t>(bytes);
  for (; count > 0; count -= kWordBytes, bytes += kWordBytes) bits += count_bits_at<uint16_t>(bytes);
  return bits;
}

inline void sum_codes(const uint8_t* packed, size_t count, size_t words, size_t planes, size_t plane_stride,
                      int32_t* sums) {
  const size_t bytes = words * kWordBytes;
  for (size_t i = 0; i < count; ++i, packed += bytes) {
    uint64_t sum = 0;
    for (size_t q = 0; q < planes; ++q) sum += count_bits_of(packed + q * plane_stride, bytes) << q;
    sums[i] = static_cast<int32_t>(sum);
  }
}

}  // namespace
}  // namespace qc
