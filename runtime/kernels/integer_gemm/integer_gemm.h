// sum[p, i] = start[i] (+ position_start[p])
//             + sum over runs u and bytes j of  x[p * position_stride + offsets[u] + j] * W[i, u * run_bytes
//             + j]
// y[p, i]   = float(sum[p, i]) * scale[i] + bias[i] (+ float(residual[p, i]) * residual_scale)
//
//     for p in [0, positions), i in [0, outputs)
//
// y is float32, or its code: rounded half to even and cut to [y_min, y_max], y_min for NaN. Each operation is
// rounded by itself: all kernels give the same bits.
//
//   panel     W as decode_panel.h has it, `vectors` vectors of outputs; aligned to 64
//   x         uint8; only the bytes named above are read; runs are a multiple of 4 bytes
//   start, scale, bias   16 * vectors each, for outputs that are padding too
//   position_start       [positions], or null
//   residual  like y, or null
//   rows      null, or one for each position: then start[i] counts zero_point times, and scale[i] is
//             multiplied by step first; y is float32
//   y         [positions, y_stride], uint8 or float32: y_stride counts elements, also those of residual
//
// Any positions, including 0. Sums stay within int32: the caller has checked. No alignment is needed but for
// the panel. Does not allocate.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/coded_row.h"

namespace qc {

// What is read soon after a call, bytes of any kind: only a hint, which a kernel may follow while it
// multiplies.
struct BytesAhead {
  const uint8_t* first = nullptr;
  size_t count = 0;
};

struct IntegerRows {
  const uint8_t* x;
  size_t positions, position_stride;
  const size_t* offsets;
  size_t runs, run_bytes;
  const int32_t* position_start = nullptr;
  // So many steps of four columns can be added up in 16 bits, the products of two columns in each number, and
  // none overflows; 0 where not even one can. A kernel may make use of it.
  size_t short_steps = 0;
  BytesAhead ahead = {};
};

struct IntegerResults {
  void* y;
  bool is_float;
  size_t y_stride;
  size_t outputs;  // 1 to 16 * vectors
  const int32_t* start;
  const float* scale;
  const float* bias;
  const uint8_t* residual;
  float residual_scale;
  uint8_t y_min, y_max;
  bool is_small;  // the caller knows that no y is 2^31 or more before it is cut, nor NaN
  const CodedRow* rows = nullptr;
};

using integer_gemm_fn = void (*)(const int8_t* panel, size_t vectors, const IntegerRows& rows,
                                 const IntegerResults& results);

#define QC_INTEGER_GEMM(isa, name) \
  void name(const int8_t* panel, size_t vectors, const IntegerRows& rows, const IntegerResults& results);
#include "kernels/integer_gemm/kernels.inc"
#undef QC_INTEGER_GEMM

}  // namespace qc
