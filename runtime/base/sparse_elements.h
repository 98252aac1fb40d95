// Few elements of a weight as kernels see them. Plain data: no ownership, no checks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

// Element c of `count` is values[c], at row rows[c] and column columns[c]; rows never decrease, and columns
// rise within a row.
struct SparseElements {
  size_t count;
  const uint32_t* rows;
  const uint32_t* columns;
  const float* values;
};

}  // namespace qc
