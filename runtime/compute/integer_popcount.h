// Integer products and convolutions of weights of one bit and codes of one bit or two by counting bits: the
// same sums as compute/integer_multiply.h (kernels/integer_popcount/integer_popcount.h).
#pragma once

#include "base/convolution.h"
#include "compute/integer_layer.h"
#include "compute/integer_positions.h"
#include "compute/parallel.h"
#include "kernels/integer_popcount/dispatch.h"

namespace qc {

// Cycles, as they were measured: of the dense kernels for a tile of 256 weights, to decode it and for each
// position of y, and of the results of 16 outputs; of these for a pair of words of 16 outputs, to unpack it
// and for each position and plane, and of the results.
struct PopcountCosts {
  double decode, tile, dense_result;
  double unpack, pair, result;
};

// What a layer keeps for it. Its weights stay in their tiles: each call unpacks them anew, which takes a few
// instructions for 512 of them.
struct IntegerPopcount {
  bool has_few_bits;  // of weights and codes; where not, nothing else is filled
  IntegerPopcountKernels kernels;
  PopcountCosts costs;
  std::vector<int32_t> low, step;  // [outputs]: a weight is low where its code is 0, low + step where it is 1
};

// Throws std::bad_alloc.
IntegerPopcount make_integer_popcount(const IntegerLayer& layer, Isa isa);

// Whether it takes less time than multiply_integers and convolve_winograd, and can run.
bool is_popcount_faster(const IntegerPopcount& popcount, const IntegerLayer& layer,
                        const IntegerGeometry& geometry);

// As multiply_integers, of which it is a replacement where can_count_bits. Throws std::bad_alloc.
bool can_count_bits(const IntegerPopcount& popcount, const IntegerGeometry& geometry);
void multiply_by_popcount(const IntegerPopcount& popcount, const IntegerLayer& layer,
                          const IntegerGeometry& geometry, const uint8_t* x, const IntegerOutput& output,
                          const Parallel& parallel);

}  // namespace qc
