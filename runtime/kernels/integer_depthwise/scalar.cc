#include "kernels/integer_depthwise/loops.h"

namespace qc {

void integer_depthwise_scalar(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output) {
  depthwise_loops(block, output, 0, block.channels);
}

}  // namespace qc
