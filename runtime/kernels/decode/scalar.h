// Reads single weights: the reference of every decoder.
#pragma once

#include "base/packed_rows.h"

namespace qc {

// The index at `row`, `column`. An index of 8 bits or fewer spans at most two bytes.
static inline size_t index_at(const PackedRows& weight, size_t row, size_t column) {
  const size_t bit = (row * weight.columns + column) * weight.bits;
  const size_t byte = bit / 8;
  const size_t shift = bit % 8;
  size_t word = weight.indices[byte];
  if (shift + weight.bits > 8) word |= static_cast<size_t>(weight.indices[byte + 1]) << 8;
  return (word >> shift) & ((size_t{1} << weight.bits) - 1);
}

static inline float weight_at(const PackedRows& weight, size_t row, size_t column) {
  return codebook_of_row(weight, row)[index_at(weight, row, column)];
}

}  // namespace qc
