#include "kernels/integer_add/loops.h"

namespace qc {

void integer_add_scalar(const CodesToAdd& sum, size_t count, const uint8_t* a, const uint8_t* b, uint8_t* y) {
  add_codes(sum, count, a, b, y);
}

}  // namespace qc
