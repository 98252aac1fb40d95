// Convolutions with few outputs and few weights in each group: depthwise ones above all. Knows no
// onnxruntime.
//
// A tile of x is copied with its pads, so that codebook_depthwise goes through rows of it in one run. With a
// stride s, x falls into phases, one of every s-th float: an output's neighbour meets the neighbours of its
// inputs in each of them.
#pragma once

#include "base/convolution.h"
#include "base/packed_weight.h"
#include "compute/parallel.h"
#include "kernels/codebook_depthwise/dispatch.h"
#include "kernels/copy_rows/dispatch.h"

namespace qc {

struct DepthwiseKernels {
  CodebookDepthwise multiply;
  CopyRows copy;
  void (*prepare)(size_t rows, size_t columns, float* x) = nullptr;  // of a tile of x, in place; or null
};
inline DepthwiseKernels get_depthwise_kernels(Isa isa) {
  return {get_codebook_depthwise(isa), get_copy_rows(isa)};
}

// Whether convolve_depthwise can run a convolution, and is faster than multiply_panels there.
bool is_depthwise(const PackedWeight& weight, const Convolution& convolution);

// y [batch, outputs, height, width] from x [batch, channels, height, width]. The bits of a result do not
// depend on threads. Throws std::bad_alloc.
void convolve_depthwise(const DepthwiseKernels& kernels, const PackedWeight& weight,
                        const Convolution& convolution, const ConvolutionSizes& sizes, const float* x,
                        float* y, const Parallel& parallel);

}  // namespace qc
