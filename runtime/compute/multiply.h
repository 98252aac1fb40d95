// Packed weight times x on all threads: what the operators run. Knows no onnxruntime.
//
// Work is cut into tasks in the same way whatever the number of threads, and no sum is split between tasks:
// so the bits of a result do not depend on threads.
#pragma once

#include <cstddef>

#include "base/packed_weight.h"
#include "compute/panels.h"
#include "compute/parallel.h"
#include "kernels/codebook_gemm/dispatch.h"
#include "kernels/codebook_gemv/dispatch.h"

namespace qc {

// Where row i at position p goes: p counts through images, and within an image. Rows or positions are
// neighbours: row_stride or position_stride is 1.
struct Output {
  float* y;
  size_t positions_per_image;
  size_t image_stride, row_stride, position_stride;
};

// y[p, i] = (W x[p])[i] * scale[i] + bias[i] for m vectors x [m, columns]; m is 1 to kGemvVectors, y [m,
// outputs]. Throws std::bad_alloc.
void multiply_vectors(const CodebookGemv& kernel, const PackedWeight& weight, size_t m, const float* x,
                      float* y, const Parallel& parallel);

// Up to this m, multiply_vectors is faster than multiply_panels.
inline size_t few_vectors(const CodebookGemv& kernel) {
  return kernel.whole_dwords ? kFewVectorsOfDwords : kFewVectors;
}

// The same for `positions` columns of panels, with the weight's rows divided evenly between `groups`.
// Throws std::bad_alloc; takes at most 4 MiB of scratch memory.
void multiply_panels(const CodebookGemm& kernel, const PackedWeight& weight, size_t groups, size_t positions,
                     const Panels& panels, const Output& output, const Parallel& parallel);

}  // namespace qc
