#include "kernels/integer_table/integer_table.h"

namespace qc {

void integer_table_scalar(size_t count, const uint8_t* table, const uint8_t* x, uint8_t* y) {
  for (size_t i = 0; i < count; ++i) y[i] = table[x[i]];
}

}  // namespace qc
