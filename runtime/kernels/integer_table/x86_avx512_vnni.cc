#include "kernels/codes/x86_avx512.h"
#include "kernels/integer_table/integer_table.h"

namespace qc {
namespace {

// All 256 entries in four registers: two lookups of 128 by the lower seven bits, of which the highest
// chooses.
class WholeTable {
 public:
  explicit WholeTable(const uint8_t* table) {
    for (size_t i = 0; i < 4; ++i) parts_[i] = _mm512_loadu_si512(table + 64 * i);
  }

  __m512i at(__m512i codes) const {
    const __m512i low = _mm512_permutex2var_epi8(parts_[0], codes, parts_[1]),
                  high = _mm512_permutex2var_epi8(parts_[2], codes, parts_[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high);
  }

 private:
  __m512i parts_[4];
};

}  // namespace

void integer_table_avx512_vnni(size_t count, const uint8_t* table, const uint8_t* x, uint8_t* y) {
  const WholeTable entries(table);
  size_t i = 0;
  for (; i + 64 <= count; i += 64) _mm512_storeu_si512(y + i, entries.at(_mm512_loadu_si512(x + i)));
  const __mmask64 rest = first_64(count - i);
  if (rest != 0) _mm512_mask_storeu_epi8(y + i, rest, entries.at(_mm512_maskz_loadu_epi8(rest, x + i)));
}

}  // namespace qc
