#include "kernels/codes/x86_avx512.h"

#include "kernels/integer_max_pool/integer_max_pool.h"

namespace qc {
namespace {

// The largest codes of one window for the channels that `lanes` names. Sizes known to the compiler unroll.
inline __m512i largest(size_t rows, size_t columns, const WindowsToPool& windows, __mmask64 lanes,
                       const uint8_t* x) {
  __m512i found = _mm512_setzero_si512();
  for (size_t u = 0; u < rows; ++u)
    for (size_t v = 0; v < columns; ++v)
      found = _mm512_max_epu8(
          found, _mm512_maskz_loadu_epi8(lanes, x + u * windows.row_pitch + v * windows.channels));
  return found;
}

// A window of rows x columns, or of any size where they are 0. `windows` by value: stores may alias anything.
template <size_t rows, size_t columns>
void pool(WindowsToPool windows, const uint8_t* x, uint8_t* y) {
  const size_t all_rows = rows == 0 ? windows.rows : rows,
               all_columns = columns == 0 ? windows.columns : columns;
  const size_t whole = windows.channels / 64 * 64;
  const __mmask64 rest = first_64(windows.channels - whole);
  for (size_t j = 0; j < windows.outputs; ++j, x += windows.step, y += windows.channels) {
    for (size_t c = 0; c < whole; c += 64)
      _mm512_storeu_si512(y + c, largest(all_rows, all_columns, windows, ~0ull, x + c));
    if (rest != 0)
      _mm512_mask_storeu_epi8(y + whole, rest, largest(all_rows, all_columns, windows, rest, x + whole));
  }
}

}  // namespace

void integer_max_pool_avx512(const WindowsToPool& windows, const uint8_t* x, uint8_t* y) {
  if (windows.rows == 3 && windows.columns == 3) return pool<3, 3>(windows, x, y);
  if (windows.rows == 2 && windows.columns == 2) return pool<2, 2>(windows, x, y);
  pool<0, 0>(windows, x, y);
}

}  // namespace qc
