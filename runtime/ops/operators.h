// The operators that the library registers, one line each.
#pragma once

#include "base/onnxruntime_abi.h"

namespace qc {

const ort::CustomOp* codebook_matmul_op();
const ort::CustomOp* codebook_conv_op();
const ort::CustomOp* sparse_matmul_op();
const ort::CustomOp* sparse_conv_op();
const ort::CustomOp* runtime_info_op();

}  // namespace qc
