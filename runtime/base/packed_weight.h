// The rules of docs/packed-format.md, section 3, for the weight of one node. Knows no onnxruntime.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/operand.h"
#include "base/packed_rows.h"

namespace qc {

// What a node says about its weight: nothing in it has been checked.
struct WeightClaim {
  std::optional<int64_t> format_version;
  std::optional<int64_t> bits;
  std::optional<Shape> weight_shape;
  Operand indices, codebook, scale, bias;
};

// A weight that keeps the rules. Points into the operands of the claim.
struct PackedWeight {
  PackedRows rows = {};  // [outputs, rows.columns]
  size_t outputs = 0;
  Shape shape;
  const float* scale = nullptr;  // null: absent
  const float* bias = nullptr;   // null: absent
};

// What is wrong with the attributes alone; empty where nothing is.
std::string check_weight_attributes(const WeightClaim& claim);

// Fills *weight, or returns a message that says what is wrong, what was found and what is wanted.
std::string check_packed_weight(const WeightClaim& claim, PackedWeight* weight);

// What is wrong with the codebook of a weight whose products are those of bfloat16; empty where nothing is.
std::string check_bfloat16_codebook(const PackedWeight& weight);

}  // namespace qc
