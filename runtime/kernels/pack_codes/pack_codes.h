// panel[q][v][lane][b] = B[16 v + lane, 4 q + b] - 128      0 for outputs and columns beyond the last
// sums[16 v + lane]    = sum over columns j of  B[16 v + lane, j] - 128
//
//     for q in [0, ceil(columns / 4)), v in [0, ceil(outputs / 16)), lane in [0, 16), b in [0, 4)
//
// Codes become the signed bytes that integer_gemm reads as its panel of weights.
//
//   B      B[i, j] is codes[i * output_stride + j * column_stride]; one of the strides is 1
//   panel  64 * ceil(columns / 4) * ceil(outputs / 16) bytes, aligned to 64
//   sums   16 * ceil(outputs / 16), aligned to 64
//
// 1 to 64 outputs, any columns up to 2^24, including 0. Only the codes named above are read. Does not
// allocate.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

struct CodesToPack {
  const uint8_t* codes;
  size_t outputs, columns, output_stride, column_stride;
};

using pack_codes_fn = void (*)(const CodesToPack& source, int8_t* panel, int32_t* sums);

#define QC_PACK_CODES(isa, name) void name(const CodesToPack& source, int8_t* panel, int32_t* sums);
#include "kernels/pack_codes/kernels.inc"
#undef QC_PACK_CODES

}  // namespace qc
