#include "kernels/codes/x86_avx512_lookup.h"
#include "kernels/integer_table/integer_table.h"

namespace qc {

void integer_table_avx512(size_t count, const uint8_t* table, const uint8_t* x, uint8_t* y) {
  const ByteTable<16> entries(table);
  size_t i = 0;
  for (; i + 64 <= count; i += 64) _mm512_storeu_si512(y + i, entries.at(_mm512_loadu_si512(x + i)));
  const __mmask64 rest = first_64(count - i);
  if (rest != 0) _mm512_mask_storeu_epi8(y + i, rest, entries.at(_mm512_maskz_loadu_epi8(rest, x + i)));
}

}  // namespace qc
