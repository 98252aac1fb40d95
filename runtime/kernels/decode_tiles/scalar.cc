#include "kernels/decode_tiles/loops.h"

namespace qc {

void decode_tiles_scalar(const TiledWeight& weight, size_t outputs, int8_t* weights) {
  decode_tiles_loops(weight, outputs, weights);
}

}  // namespace qc
