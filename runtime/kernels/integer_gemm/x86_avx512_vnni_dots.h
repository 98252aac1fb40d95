// Sums in registers and what is added to them, for the avx512_vnni kernels. Everything is static.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace qc {
namespace {

constexpr size_t kLanes = 16;

// An index that is a constant: sums that a loop goes through would not stay in registers.
template <size_t index>
struct Constant {
  static constexpr size_t value = index;
};
#define QC_UNROLLED __attribute__((always_inline))
template <size_t first, size_t end, typename Body>
QC_UNROLLED inline void unroll(const Body& body) {
  if constexpr (first < end) {
    body(Constant<first>());
    unroll<first + 1, end>(body);
  }
}

template <size_t rows, size_t vectors>
using Sums = __m512i[rows][vectors];

// sum += the dot product of four bytes of x with four weights of each lane. Not the intrinsic: around it the
// compiler copies sums from register to register.
inline void add_dots(__m512i& sum, __m512i x, __m512i w) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
}
inline void add_dots_from(__m512i& sum, __m512i x, const int8_t* w) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "m"(*reinterpret_cast<const __m512i*>(w)));
}

inline __m512i broadcast(const uint8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm512_set1_epi32(four);
}

}  // namespace
}  // namespace qc
