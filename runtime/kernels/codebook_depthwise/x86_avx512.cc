#include "kernels/decode/x86_avx512.h"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/codebook_depthwise/codebook_depthwise.h"

namespace qc {
namespace {

constexpr size_t kVectors = 8;  // enough sums that none waits for its own additions

using decode_fn = void (*)(const PackedRows& weight, size_t row, size_t column, size_t columns,
                           float* decoded);
using multiply_fn = void (*)(const DepthwiseBlock& block, size_t columns, const float* weights,
                             const float* x, float* y);

// sum[16 * vectors] += the `run` weights times x, shifted by 0 to run - 1. A load across two cache lines
// takes as long as two: so x is loaded once, and shifted between registers.
template <size_t run, size_t vectors>
inline void add_run(const float* weights, const float* x, __m512 (&sum)[vectors]) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m512 vector = _mm512_loadu_ps(x);
  for (size_t v = 0; v < vectors; ++v) {
    const float* const at = x + v * kLanes;
    const __m512 next = v + 1 < vectors ? _mm512_loadu_ps(at + kLanes) : vector;
    sum[v] = _mm512_fmadd_ps(_mm512_set1_ps(weights[0]), vector, sum[v]);
    for (size_t s = 1; s < run; ++s) {
      const __m512i shift = _mm512_add_epi32(lane, _mm512_set1_epi32(static_cast<int>(s)));
      const __m512 shifted =
          v + 1 < vectors ? _mm512_permutex2var_ps(vector, shift, next) : _mm512_loadu_ps(at + s);
      sum[v] = _mm512_fmadd_ps(_mm512_set1_ps(weights[s]), shifted, sum[v]);
    }
    vector = next;
  }
}

// y[16 * vectors] = weights[columns] * x, scaled and biased; `run` is a divisor of block.run
template <size_t run, size_t vectors>
void multiply(const DepthwiseBlock& block, size_t columns, const float* weights, const float* x, float* y) {
  __m512 sum[vectors];
  for (size_t v = 0; v < vectors; ++v) sum[v] = _mm512_setzero_ps();
  const size_t* offset = block.offsets;
  for (size_t j = 0; j < columns; j += block.run, ++offset)
    for (size_t s = 0; s < block.run; s += run) add_run<run, vectors>(weights + j + s, x + *offset + s, sum);
  const __m512 scale = _mm512_set1_ps(block.scale), bias = _mm512_set1_ps(block.bias);
  for (size_t v = 0; v < vectors; ++v) _mm512_storeu_ps(y + v * kLanes, _mm512_fmadd_ps(sum[v], scale, bias));
}

// All positions, in tiles of about the same number of vectors.
template <size_t run>
void multiply_all(const DepthwiseBlock& block, size_t columns, const float* weights, const float* x,
                  float* y) {
  constexpr multiply_fn kByVectors[kVectors] = {multiply<run, 1>, multiply<run, 2>, multiply<run, 3>,
                                                multiply<run, 4>, multiply<run, 5>, multiply<run, 6>,
                                                multiply<run, 7>, multiply<run, 8>};
  for (size_t p = 0; p < block.positions;) {
    const size_t left = (block.positions - p) / kLanes;
    const size_t tiles = (left + kVectors - 1) / kVectors;
    const size_t vectors = (left + tiles - 1) / tiles;
    kByVectors[vectors - 1](block, columns, weights, x + p, y + p);
    p += vectors * kLanes;
  }
}

constexpr decode_fn kDecodeByBits[] = {decode_row<1>, decode_row<2>, decode_row<3>, decode_row<4>,
                                       decode_row<5>, decode_row<6>, decode_row<7>, decode_row<8>};
}  // namespace

void codebook_depthwise_avx512(const PackedRows& weight, const DepthwiseBlock& block, const float* x,
                               float* y) {
  alignas(64) float weights[kDepthwiseColumns];
  kDecodeByBits[weight.bits - 1](weight, block.row, 0, weight.columns, weights);
  if (block.run % 5 == 0) return multiply_all<5>(block, weight.columns, weights, x, y);
  if (block.run % 3 == 0) return multiply_all<3>(block, weight.columns, weights, x, y);
  multiply_all<1>(block, weight.columns, weights, x, y);
}

}  // namespace qc
