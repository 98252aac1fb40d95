#include "kernels/round_bfloat16/scalar.h"

#include "kernels/round_bfloat16/round_bfloat16.h"

namespace qc {

void round_bfloat16_scalar(size_t rows, size_t columns, float* x) {
  for (size_t i = 0; i < rows * columns; ++i) x[i] = float_of_bfloat16_bits(bfloat16_bits_of(x[i]));
}

}  // namespace qc
