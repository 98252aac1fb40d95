// Reads one byte past a packed weight on purpose. Run in the sanitized build only, where it must be caught.
#include <memory>

#include "kernels/codebook_gemv/codebook_gemv.h"

int main() {
  const std::unique_ptr<uint8_t[]> indices(new uint8_t[8]());
  const float codebook[16] = {}, x[18] = {};
  float y = 0;
  const qc::PackedRows weight = {indices.get(), 9, 4, 18, 1,
                                 codebook};  // 18 weights take 9 bytes: one too many
  qc::codebook_gemv_scalar(weight, {0, 1, 1, 18, 1}, x, &y);
  return y == 0 ? 0 : 1;
}
