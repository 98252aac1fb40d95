#include "kernels/integer_max_pool/loops.h"

namespace qc {

void integer_max_pool_avx2(const WindowsToPool& windows, const uint8_t* x, uint8_t* y) {
  pool_loops(windows, x, y);
}

}  // namespace qc
