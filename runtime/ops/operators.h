// The operators that the library registers, one line each.
#pragma once

#include "base/onnxruntime_abi.h"

namespace qc {

const ort::CustomOp* codebook_matmul_op();
const ort::CustomOp* codebook_conv_op();
const ort::CustomOp* sparse_matmul_op();
const ort::CustomOp* sparse_conv_op();
const ort::CustomOp* integer_matmul_op();
const ort::CustomOp* integer_matmul_add_op();
const ort::CustomOp* integer_matmul_float_op();
const ort::CustomOp* integer_conv_op();
const ort::CustomOp* integer_conv_add_op();
const ort::CustomOp* integer_conv_float_op();
const ort::CustomOp* runtime_info_op();

}  // namespace qc
