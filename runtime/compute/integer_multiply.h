// Integer products and convolutions on all threads: what the operators run. Knows no onnxruntime.
//
// A block of outputs is decoded once for many positions. Work is cut into tasks in the same way whatever the
// number of threads.
#pragma once

#include "base/convolution.h"
#include "compute/integer_layer.h"
#include "compute/integer_positions.h"
#include "compute/parallel.h"

namespace qc {

// y [positions, outputs] of the layer for x of such a geometry. Throws std::bad_alloc. Rows of a product may
// have zeros behind the layer's columns, up to a multiple of 16.
void multiply_integers(const IntegerLayer& layer, const IntegerGeometry& geometry, const uint8_t* x,
                       const IntegerOutput& output, const Parallel& parallel);

// The kernel that it runs.
const char* name_of_product(const IntegerLayer& layer, const IntegerGeometry& geometry);

}  // namespace qc
