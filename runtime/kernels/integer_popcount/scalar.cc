#include "kernels/integer_gemm/scalar.h"

#include "kernels/decode/tiles_scalar.h"
#include "kernels/integer_popcount/integer_popcount.h"

namespace qc {
namespace {

size_t bit_of_column(size_t c) { return 8 * (c % 2) + 2 * (c / 4) + c % 4 / 2; }

// A word of 16 columns of one output.
uint32_t word_of_tile(const TiledWeight& weight, size_t tile, size_t lane) {
  uint32_t word = 0;
  for (size_t c = 0; c < kWordColumns; ++c) {
    const size_t code = code_at(weight, tile * kTileCodes + c / 4 * 64 + lane * 4 + c % 4);
    word |= static_cast<uint32_t>(code) << bit_of_column(c);
  }
  return word;
}

uint32_t word_of_x(const uint8_t* x) { return x[0] | static_cast<uint32_t>(x[1]) << 8; }

// The sum of the codes of a position whose weight has code 1.
int32_t sum_chosen(const uint32_t* panel, size_t vectors, const PopcountRows& rows, size_t position,
                   size_t output) {
  const size_t pairs = popcount_pairs(rows.run_words);
  int32_t sum = 0;
  for (size_t q = 0; q < rows.planes; ++q) {
    for (size_t u = 0; u < rows.runs; ++u) {
      const uint8_t* const x =
          rows.x + q * rows.plane_stride + position * rows.position_stride + rows.offsets[u];
      for (size_t w = 0; w < rows.run_words; ++w) {
        const size_t pair = (u * pairs + w / 2) * vectors + output / kTileLanes;
        const uint32_t weights = panel[pair * kTileLanes + output % kTileLanes] >> (w % 2 * 16) & 0xffff;
        const uint32_t bits = word_of_x(x + w * kWordBytes);
        sum += __builtin_popcount(bits & weights) << q;
      }
    }
  }
  return sum;
}

}  // namespace

void integer_popcount_scalar_weights(const TiledWeight& weight, const PanelOfWeights& block, size_t run_words,
                                     uint32_t* panel) {
  const size_t pairs = popcount_pairs(run_words);
  for (size_t i = 0; i < block.tiles / run_words * pairs * block.vectors * kTileLanes; ++i) {
    const size_t lane = i % kTileLanes, v = i / kTileLanes % block.vectors;
    const size_t run = i / kTileLanes / block.vectors / pairs, pair = i / kTileLanes / block.vectors % pairs;
    const size_t tile = block.first_tile + v * block.tiles + run * run_words + 2 * pair;
    panel[i] = word_of_tile(weight, tile, lane);
    if (2 * pair + 1 < run_words) panel[i] |= word_of_tile(weight, tile + 1, lane) << 16;
  }
}

void integer_popcount_scalar_pack(const uint8_t* x, size_t count, size_t planes, uint8_t* packed,
                                  size_t plane_stride) {
  for (size_t q = 0; q < planes; ++q) {
    uint8_t* const plane = packed + q * plane_stride;
    for (size_t first = 0; first < count; first += kWordColumns) {
      uint32_t word = 0;
      for (size_t c = 0; c < kWordColumns && first + c < count; ++c)
        word |= (x[first + c] >> q & 1u) << bit_of_column(c);
      plane[first / 8] = static_cast<uint8_t>(word);
      plane[first / 8 + 1] = static_cast<uint8_t>(word >> 8);
    }
  }
}

void integer_popcount_scalar_sums(const uint8_t* packed, size_t count, size_t words, size_t planes,
                                  size_t plane_stride, int32_t* sums) {
  for (size_t i = 0; i < count; ++i) {
    sums[i] = 0;
    for (size_t q = 0; q < planes; ++q)
      for (size_t w = 0; w < words; ++w)
        sums[i] += __builtin_popcount(word_of_x(packed + q * plane_stride + (i * words + w) * kWordBytes))
                   << q;
  }
}

void integer_popcount_scalar(const uint32_t* panel, size_t vectors, const PopcountRows& rows,
                             const PopcountValues& values, const IntegerResults& results) {
  for (size_t p = 0; p < rows.positions; ++p) {
    for (size_t i = 0; i < results.outputs; ++i) {
      const int32_t chosen = sum_chosen(panel, vectors, rows, p, i);
      store_result(results, p, i,
                   results.start[i] + values.low[i] * values.sums[p] + values.step[i] * chosen);
    }
  }
}

}  // namespace qc
