// Rows of floats that become codes, each by itself, on all threads. Knows no onnxruntime.
#pragma once

#include "compute/parallel.h"
#include "kernels/normalize_rows/dispatch.h"
#include "kernels/softmax_rows/dispatch.h"

namespace qc {

// y [rows, columns] of x [rows, columns]: see the kernels.
void normalize_rows(const NormalizeRows& kernel, const RowsToNormalize& shape, const float* x, uint8_t* y,
                    const Parallel& parallel);

// The same. Throws std::bad_alloc.
void softmax_rows(const SoftmaxRows& kernel, const RowsOfSoftmax& shape, const float* x, uint8_t* y,
                  const Parallel& parallel);

}  // namespace qc
