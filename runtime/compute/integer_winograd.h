// 3x3 convolutions of few bits by exact integer Winograd: the same sums as compute/integer_multiply.h, with
// 16 products for what takes 36 there (kernels/integer_winograd/integer_winograd.h).
#pragma once

#include "base/convolution.h"
#include "compute/integer_layer.h"
#include "compute/integer_positions.h"
#include "compute/parallel.h"
#include "kernels/integer_winograd/dispatch.h"

namespace qc {

// What a layer keeps for it. Weights are transformed anew by each call: so they stay packed in memory.
struct IntegerWinograd {
  bool is_exact;  // all transformed codes and weights are bytes; where not, nothing else is filled
  IntegerWinogradKernels kernels;
  uint8_t offset;               // of transformed codes
  std::vector<int32_t> starts;  // [4][outputs]: where the sums of the four outputs of a tile start
};

// Throws std::bad_alloc.
IntegerWinograd make_integer_winograd(const IntegerLayer& layer, const Convolution& convolution, Isa isa);

// Whether it takes less time than multiply_integers.
bool is_winograd_faster(const IntegerWinograd& winograd, const IntegerLayer& layer,
                        const IntegerGeometry& geometry);

// As multiply_integers, of which it is a replacement where is_exact. Throws std::bad_alloc.
void convolve_winograd(const IntegerWinograd& winograd, const IntegerLayer& layer,
                       const IntegerGeometry& geometry, const uint8_t* x, const IntegerOutput& output,
                       const Parallel& parallel);

}  // namespace qc
