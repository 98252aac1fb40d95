// The loop of integer_add for a compiler to vectorize: a file includes it and is compiled with its flags.
#pragma once

#include "kernels/codes/scalar.h"
#include "kernels/integer_add/integer_add.h"

namespace qc {

// `sum` by value: stores of bytes may alias anything in memory.
static inline void add_codes(CodesToAdd sum, size_t count, const uint8_t* a, const uint8_t* b,
                             uint8_t* __restrict y) {
  for (size_t i = 0; i < count; ++i) {
    const float scaled = static_cast<float>(a[i]) * sum.a_scale + static_cast<float>(b[i]) * sum.b_scale;
    y[i] = code_of(scaled + sum.bias, sum.least, sum.most);
  }
}

}  // namespace qc
