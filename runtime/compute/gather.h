// Single rows of a packed weight as floats: the others are never read.
#pragma once

#include <cstddef>

#include "base/packed_weight.h"
#include "compute/parallel.h"

namespace qc {

// y[i] = row rows[i] of the weight, times its scale, plus its bias: `count` rows of all columns. Each of
// `rows` is below weight.outputs.
void gather_rows(const PackedWeight& weight, size_t count, const size_t* rows, float* y,
                 const Parallel& parallel);

}  // namespace qc
