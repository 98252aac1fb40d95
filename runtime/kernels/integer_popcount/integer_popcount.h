// Products of weights of one bit with codes of few bits, by counting bits.
//
// The weights of output i are low[i] where their code is 0 and low[i] + step[i] where it is 1. So
//
//   sum[p, i] = start[i] + low[i] * (sum of all x[p, j]) + step[i] * (sum of those x[p, j] whose code is 1)
//
// and of that the results of integer_gemm.h. With x[p, j] = sum over planes q of 2^q * bit[q, p, j] both are
// counts of bits, the last one of bit[q, p] & code[i]: 512 products an instruction.
//
// 16 columns, those of a tile, are a word of 16 bits, its low byte first: column c is bit
// 8 * (c % 2) + 2 * (c / 4) + c % 4 / 2 of it. In this order a few shifts bring the codes of two outputs out
// of 32 bits of a tile (docs/packed-format.md, section 7).
//
// No alignment is needed but for the panel. Nothing allocates.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/tiled_weight.h"
#include "kernels/decode_panel/decode_panel.h"
#include "kernels/integer_gemm/integer_gemm.h"

namespace qc {

constexpr size_t kWordColumns = 16;  // of a word of 16 bits
constexpr size_t kWordBytes = 2;

// Runs are padded to pairs of words.
static inline size_t popcount_pairs(size_t run_words) { return run_words / 2 + run_words % 2; }

// panel[u * pairs + w][v][lane] = words 2 w and 2 w + 1 of run u, the first one in the low half; zero beyond
// the run. Tiles of a vector are cut into runs of `run_words`, which divides block.tiles; the weight has one
// bit. The panel is aligned to 64.
using popcount_weights_fn = void (*)(const TiledWeight& weight, const PanelOfWeights& block, size_t run_words,
                                     uint32_t* panel);

// Words of `count` codes: those of plane q go to packed + q * plane_stride. Bits beyond the last code are
// zero; bits of a code beyond the planes are ignored.
using popcount_pack_fn = void (*)(const uint8_t* x, size_t count, size_t planes, uint8_t* packed,
                                  size_t plane_stride);

// sums[i] = the sum of the codes of words [i * words, (i + 1) * words), for i in [0, count).
using popcount_sums_fn = void (*)(const uint8_t* packed, size_t count, size_t words, size_t planes,
                                  size_t plane_stride, int32_t* sums);

// Word w of run u of position p: planes.x[p * position_stride + offsets[u] + 2 * w], of plane q plane_stride
// * q further on. Runs are read up to whole pairs.
struct PopcountRows {
  const uint8_t* x;
  size_t positions, position_stride;
  const size_t* offsets;
  size_t runs, run_words;
  size_t planes, plane_stride;
};

// What codes stand for, 16 for each vector of outputs; and the sum of all codes of each position.
struct PopcountValues {
  const int32_t *low, *step;
  const int32_t* sums;
};

// Any positions, including 0.
using integer_popcount_fn = void (*)(const uint32_t* panel, size_t vectors, const PopcountRows& rows,
                                     const PopcountValues& values, const IntegerResults& results);

#define QC_INTEGER_POPCOUNT(isa, name)                                                                     \
  void name##_weights(const TiledWeight& weight, const PanelOfWeights& block, size_t run_words,            \
                      uint32_t* panel);                                                                    \
  void name##_pack(const uint8_t* x, size_t count, size_t planes, uint8_t* packed, size_t plane_stride);   \
  void name##_sums(const uint8_t* packed, size_t count, size_t words, size_t planes, size_t plane_stride,  \
                   int32_t* sums);                                                                         \
  void name(const uint32_t* panel, size_t vectors, const PopcountRows& rows, const PopcountValues& values, \
            const IntegerResults& results);
#include "kernels/integer_popcount/kernels.inc"
#undef QC_INTEGER_POPCOUNT

}  // namespace qc
