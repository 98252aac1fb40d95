// The largest codes of windows, pads left out. Knows no onnxruntime.
#pragma once

#include "base/pooling.h"
#include "compute/parallel.h"
#include "kernels/integer_max_pool/dispatch.h"

namespace qc {

// y [batch, height, width, channels] from x of that form.
void max_pool(const IntegerMaxPool& kernel, const Pooling& pooling, const PoolingSizes& sizes,
              const uint8_t* x, uint8_t* y, const Parallel& parallel);

}  // namespace qc
