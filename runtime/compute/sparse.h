// Corrections times x on all threads: what the sparse operators run. Knows no onnxruntime.
//
// Work is cut into tasks in the same way whatever the number of threads, and no sum is split between tasks.
#pragma once

#include "base/convolution.h"
#include "base/corrections.h"
#include "compute/parallel.h"
#include "kernels/add_elements/dispatch.h"
#include "kernels/add_scaled/dispatch.h"

namespace qc {

// y[p, i] = base[p, i] + (corrections x[p])[i] for m vectors x [m, columns]; base and y are [m, outputs].
void add_sparse_product(const AddElements& kernel, const Corrections& corrections, size_t m, const float* x,
                        const float* base, float* y, const Parallel& parallel);

// y = base + the convolution of x with the corrections; base and y are [batch, outputs, output height,
// width].
void add_sparse_convolution(const AddScaled& kernel, const Corrections& corrections,
                            const Convolution& convolution, const ConvolutionSizes& sizes, const float* x,
                            const float* base, float* y, const Parallel& parallel);

}  // namespace qc
