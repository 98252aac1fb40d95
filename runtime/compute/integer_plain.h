// A convolution by its definition, for weights in the order of depthwise ones. Slow.
#pragma once

#include "base/convolution.h"
#include "compute/integer_layer.h"
#include "compute/parallel.h"

namespace qc {

void convolve_integer_plainly(const IntegerLayer& layer, const Convolution& convolution,
                              const ConvolutionSizes& sizes, const uint8_t* x, const IntegerOutput& output,
                              const Parallel& parallel);

}  // namespace qc
