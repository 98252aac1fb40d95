// Integer products whose rows of x are floats: they become codes first, each with a step and a zero point of
// its own. Knows no onnxruntime.
#pragma once

#include "compute/integer_layer.h"
#include "compute/parallel.h"
#include "kernels/quantize_rows/dispatch.h"

namespace qc {

struct DynamicLayer {
  IntegerLayer integers;
  QuantizeRows quantize;
};

// The zero point of the weight does not matter. Throws std::bad_alloc.
DynamicLayer make_dynamic_layer(IntegerWeight weight, Isa isa);

// y [m, outputs] for x [m, columns]. Throws std::bad_alloc.
void multiply_dynamically(const DynamicLayer& layer, size_t m, const float* x, float* y,
                          const Parallel& parallel);

}  // namespace qc
