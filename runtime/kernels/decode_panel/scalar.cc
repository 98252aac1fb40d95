#include "kernels/decode/tiles_scalar.h"
#include "kernels/decode_panel/decode_panel.h"

namespace qc {

void decode_panel_scalar(const TiledWeight& weight, const PanelOfWeights& block, int8_t* panel) {
  constexpr size_t kBytes = 4 * kTileLanes;  // of four columns of a vector
  for (size_t v = 0; v < block.vectors; ++v) {
    const size_t first_code = (block.first_tile + v * block.tiles) * kTileCodes;
    for (size_t i = 0; i < block.tiles * kTileCodes; ++i) {
      const size_t output = block.first_output + v * kTileLanes + i % kBytes / 4;
      const size_t served = output < block.last_output ? output : block.last_output;
      panel[(i / kBytes * block.vectors + v) * kBytes + i % kBytes] =
          integer_weight_at(weight, first_code + i, served);
    }
  }
}

}  // namespace qc
