// Tables of up to 256 bytes in registers, 16 entries each. For files compiled for AVX-512 only.
#pragma once

#include "kernels/codes/x86_avx512.h"

namespace qc {
namespace {

// 16 * parts entries.
template <size_t parts>
class ByteTable {
 public:
  explicit ByteTable(const uint8_t* table) {
    for (size_t i = 0; i < parts; ++i) table_[i] = _mm512_broadcast_i32x4(load_codes(table + 16 * i));
  }

  // A shuffle gives zero where the highest bit of a byte is set. Once a part's number is taken out of the
  // upper half of a byte, adding 0x70 sets that bit in all bytes but those of this part.
  __m512i at(__m512i bytes) const {
    const __m512i reach = _mm512_set1_epi8(0x70);
    __m512i found = _mm512_shuffle_epi8(table_[0], _mm512_adds_epu8(bytes, reach));
    for (size_t i = 1; i < parts; ++i) {
      const __m512i own = _mm512_xor_si512(bytes, _mm512_set1_epi8(static_cast<char>(16 * i)));
      found = _mm512_or_si512(found, _mm512_shuffle_epi8(table_[i], _mm512_adds_epu8(own, reach)));
    }
    return found;
  }

 private:
  __m512i table_[parts];
};

}  // namespace
}  // namespace qc
