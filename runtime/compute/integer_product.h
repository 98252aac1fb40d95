// Products of matrices of codes on all threads: what IntegerProduct runs. Knows no onnxruntime.
//
// A block of outputs of one b is packed once, as integer_gemm reads weights, for many rows of its a. With
// s = b - 128 and z = b_zero_point - 128
//
//     sum_t (a - a_zero_point) (b - b_zero_point)
//         = sum_t a s  -  a_zero_point sum_t (s - z)  -  z sum_t a
//
// where the second sum belongs to an output and the third to a row.
#pragma once

#include "base/code_range.h"
#include "base/integer_product.h"
#include "compute/parallel.h"
#include "kernels/integer_gemm/dispatch.h"
#include "kernels/pack_codes/dispatch.h"
#include "kernels/row_sums/dispatch.h"

namespace qc {

struct CodesProduct {
  ProductCodes codes = {};
  float scale = 1.0f;
  float bias = -0.0f;  // added to any number it gives that number: there is none
  bool is_float = false;
  CodeRange range = {};
  PackCodes pack = {};
  RowSums sum_rows = {};
  IntegerGemm multiply = {};
};

// y [matrices, m, n], uint8 or float32. Throws std::bad_alloc.
void multiply_codes(const CodesProduct& product, const ProductSizes& sizes, const uint8_t* a,
                    const uint8_t* b, void* y, const Parallel& parallel);

}  // namespace qc
