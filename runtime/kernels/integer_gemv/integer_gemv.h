// sum[p, i] = start[i] + sum over j of x[p, j] * W[i, j]     for p in [0, m), i in [0, results.outputs)
//
// and of that the results of integer_gemm.h. Few rows of x, so codes are decoded in registers and not
// written.
//
//   weight, block  as in decode_panel.h; 16 outputs with several codebooks are taken for at most 4 bits
//   x              [m, x_stride], 16 * block.tiles bytes of each: zeros behind the last column
//   m              1 to kIntegerGemvRows
//
// No alignment is needed. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/tiled_weight.h"
#include "kernels/decode_panel/decode_panel.h"
#include "kernels/integer_gemm/integer_gemm.h"

namespace qc {

constexpr size_t kIntegerGemvRows = 4;

using integer_gemv_fn = void (*)(const TiledWeight& weight, const PanelOfWeights& block, size_t m,
                                 const uint8_t* x, size_t x_stride, const IntegerResults& results);

#define QC_INTEGER_GEMV(isa, name)                                                              \
  void name(const TiledWeight& weight, const PanelOfWeights& block, size_t m, const uint8_t* x, \
            size_t x_stride, const IntegerResults& results);
#include "kernels/integer_gemv/kernels.inc"
#undef QC_INTEGER_GEMV

}  // namespace qc
