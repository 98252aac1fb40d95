// The rules of docs/packed-format.md, section 4, for the corrections of one node. Knows no onnxruntime.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/operand.h"
#include "base/sparse_elements.h"

namespace qc {

// What a node says about its corrections: nothing in it has been checked.
struct CorrectionsClaim {
  std::optional<int64_t> format_version;
  std::optional<Shape> weight_shape;
  Operand gaps, values;
};

// Corrections that keep the rules, in the order of the weight. Points into the values of the claim.
struct Corrections {
  size_t outputs = 0;
  size_t columns = 0;  // of the weight: the product of all sizes but the first
  Shape shape;
  std::vector<uint32_t> rows, places;  // of each correction; places are columns
  const float* values = nullptr;

  // Those in rows [first, + count).
  SparseElements elements(size_t first, size_t count) const;
};

// Fills *corrections, or returns a message that says what is wrong, what was found and what is wanted.
std::string check_corrections(const CorrectionsClaim& claim, Corrections* corrections);

}  // namespace qc
