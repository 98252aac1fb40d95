#include "kernels/codebook_gemv/codebook_gemv.h"

#include <algorithm>

#include "kernels/codebook_gemv/dispatch.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16;

size_t columns_per_lane(const CodebookGemv& kernel, size_t bits) {
  return kernel.whole_dwords ? 32 / bits : 1;
}

// One block of 16 * per_lane columns; `block` has them all.
void arrange_block(size_t per_lane, const float* block, float* arranged) {
  for (size_t v = 0; v < per_lane; ++v)
    for (size_t i = 0; i < kLanes; ++i) arranged[v * kLanes + i] = block[i * per_lane + v];
}

void arrange_vector(size_t per_lane, size_t columns, const float* x, float* arranged) {
  const size_t width = kLanes * per_lane;
  const size_t whole = columns / width * width;
  for (size_t first = 0; first < whole; first += width) arrange_block(per_lane, x + first, arranged + first);
  if (whole == columns) return;
  float last[kLanes * 32] = {};
  std::copy(x + whole, x + columns, last);
  arrange_block(per_lane, last, arranged + whole);
}

}  // namespace

CodebookGemv get_codebook_gemv(Isa isa, size_t bits, size_t columns) {
#define QC_CODEBOOK_GEMV(needed, name, whole_dwords)             \
  if (const CodebookGemv kernel = {#name, name, whole_dwords};   \
      includes(isa, Isa::needed) && kernel.takes(bits, columns)) \
    return kernel;
#include "kernels/codebook_gemv/kernels.inc"
#undef QC_CODEBOOK_GEMV
  return {};  // Not reached: every machine has `scalar`, which takes everything.
}

size_t arranged_size(const CodebookGemv& kernel, size_t bits, size_t columns) {
  const size_t width = kLanes * columns_per_lane(kernel, bits);
  return (columns + width - 1) / width * width;
}

void arrange_x(const CodebookGemv& kernel, size_t bits, size_t columns, size_t m, const float* x,
               float* arranged) {
  const size_t size = arranged_size(kernel, bits, columns);
  for (size_t p = 0; p < m; ++p)
    arrange_vector(columns_per_lane(kernel, bits), columns, x + p * columns, arranged + p * size);
}

}  // namespace qc
