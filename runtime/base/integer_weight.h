// The rules of docs/packed-format.md, sections 6 and 7, for the weight of one integer node. Knows no
// onnxruntime.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/code_range.h"
#include "base/operand.h"
#include "base/tiled_weight.h"

namespace qc {

// What a node says about its weight: nothing in it has been checked.
struct IntegerWeightClaim {
  std::optional<int64_t> format_version, bits, x_zero_point, x_bits;
  std::optional<Shape> weight_shape;
  Operand indices, codebook, scale, bias;
};

// A weight that keeps the rules. Points into the operands of the claim.
struct IntegerWeight {
  TiledWeight tiles = {};
  Shape shape;
  size_t outputs = 0, groups = 1;
  size_t columns = 0;            // k: at most kMaxTerms
  bool is_depthwise = false;     // tiled in the order of depthwise convolutions
  const float* scale = nullptr;  // [outputs]
  const float* bias = nullptr;   // [outputs]
  uint8_t x_zero_point = 0;
  size_t x_bits = 8;  // codes of x are below 2^x_bits, or results are wrong
};

constexpr int64_t kMaxTerms = 65536;  // of a sum: 65536 * 255 * 128 is below 2^31

// What is wrong with the attributes alone; empty where nothing is.
std::string check_integer_attributes(const IntegerWeightClaim& claim);

// Fills *weight, or returns a message that says what is wrong, what was found and what is wanted. `groups` is
// 1, or that of a convolution that was checked with this weight_shape, as were the attributes.
std::string check_integer_weight(const IntegerWeightClaim& claim, size_t groups, IntegerWeight* weight);

}  // namespace qc
