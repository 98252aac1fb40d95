// A packed weight as kernels see it (docs/packed-format.md, section 2). Plain data: no ownership, no checks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qc {

// Row i, column j is codebook[i / rows_per_codebook][index], where index is the `bits` bits of the stream
// that start at bit (i * columns + j) * bits; bit t is bit t % 8 (0 the lowest) of byte t / 8.
struct PackedRows {
  const uint8_t* indices;    // `index_bytes` bytes, of any alignment; nothing beyond them is ever read
  size_t index_bytes;        // ceil(rows * columns * bits / 8)
  size_t bits;               // 1 to 8
  size_t columns;            // k, at least 1
  size_t rows_per_codebook;  // at least 1
  const float* codebook;     // [groups, 2^bits], all finite
};

static inline const float* codebook_of_row(const PackedRows& weight, size_t row) {
  return weight.codebook + (row / weight.rows_per_codebook << weight.bits);
}

}  // namespace qc
