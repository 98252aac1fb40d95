// The operators that the library registers, one line each.
#pragma once

#include "base/onnxruntime_abi.h"

namespace qc {

const ort::CustomOp* codebook_matmul_op();
const ort::CustomOp* codebook_conv_op();
const ort::CustomOp* codebook_matmul_bfloat16_op();
const ort::CustomOp* codebook_conv_bfloat16_op();
const ort::CustomOp* codebook_gather_op();
const ort::CustomOp* sparse_matmul_op();
const ort::CustomOp* sparse_conv_op();
const ort::CustomOp* integer_add_op();
const ort::CustomOp* integer_global_average_pool_op();
const ort::CustomOp* integer_max_pool_op();
const ort::CustomOp* integer_product_op();
const ort::CustomOp* integer_product_float_op();
const ort::CustomOp* integer_table_op();
const ort::CustomOp* quantize_input_op();
const ort::CustomOp* quantize_layer_normalization_op();
const ort::CustomOp* quantize_softmax_op();
const ort::CustomOp* integer_matmul_op();
const ort::CustomOp* integer_matmul_add_op();
const ort::CustomOp* integer_matmul_table_op();
const ort::CustomOp* integer_matmul_add_float_op();
const ort::CustomOp* integer_matmul_float_op();
const ort::CustomOp* integer_matmul_dynamic_op();
const ort::CustomOp* integer_conv_op();
const ort::CustomOp* integer_conv_add_op();
const ort::CustomOp* integer_conv_table_op();
const ort::CustomOp* integer_conv_float_op();
const ort::CustomOp* codebook_matmul_kernel_op();
const ort::CustomOp* codebook_conv_kernel_op();
const ort::CustomOp* codebook_matmul_bfloat16_kernel_op();
const ort::CustomOp* codebook_conv_bfloat16_kernel_op();
const ort::CustomOp* integer_matmul_kernel_op();
const ort::CustomOp* integer_matmul_dynamic_kernel_op();
const ort::CustomOp* integer_conv_kernel_op();
const ort::CustomOp* runtime_info_op();

}  // namespace qc
