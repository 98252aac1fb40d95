// What is done to each sum of a row of the weight.
#pragma once

#include <cstddef>

#include "base/packed_weight.h"

namespace qc {

struct Epilogue {
  float scale, bias;
};

// Absent operands are neutral: times one and plus zero change no value.
inline Epilogue epilogue_of(const PackedWeight& weight, size_t row) {
  return {weight.scale == nullptr ? 1.0f : weight.scale[row],
          weight.bias == nullptr ? 0.0f : weight.bias[row]};
}

}  // namespace qc
