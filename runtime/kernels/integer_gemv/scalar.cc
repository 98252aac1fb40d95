#include "kernels/integer_gemm/scalar.h"

#include "kernels/decode/tiles_scalar.h"
#include "kernels/integer_gemv/integer_gemv.h"

namespace qc {

void integer_gemv_scalar(const TiledWeight& weight, const PanelOfWeights& block, size_t m, const uint8_t* x,
                         size_t x_stride, const IntegerResults& results) {
  for (size_t i = 0; i < results.outputs; ++i) {
    const size_t first_tile = block.first_tile + i / kTileLanes * block.tiles;
    int32_t sums[kIntegerGemvRows];
    for (size_t p = 0; p < m; ++p) sums[p] = results.start[i];
    for (size_t j = 0; j < block.tiles * kTileLanes; ++j) {
      const size_t in_tile = j % kTileLanes / 4 * 64 + i % kTileLanes * 4 + j % 4;
      const int8_t w = integer_weight_at(weight, (first_tile + j / kTileLanes) * kTileCodes + in_tile,
                                         block.first_output + i);
      for (size_t p = 0; p < m; ++p) sums[p] += x[p * x_stride + j] * w;
    }
    for (size_t p = 0; p < m; ++p) store_result(results, p, i, sums[p]);
  }
}

}  // namespace qc
