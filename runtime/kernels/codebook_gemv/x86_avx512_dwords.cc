// Weights of 1, 2 or 4 bits in rows of whole bytes: 64 bytes are 16 dwords of 32 / bits weights each, and a
// shift of all of them brings the next 16 indices to the bottom. So a weight costs a shift, a lookup and an
// FMA. Four rows share the loads of x and keep the chains of additions apart.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/codebook_gemv/codebook_gemv.h"
#include "kernels/decode/x86_avx512.h"

namespace qc {
namespace {

constexpr size_t kBlockBytes = 64;
constexpr size_t kRows = 4;

// Only a hint: it never faults, so the address may lie beyond the buffer.
inline void prefetch(const void* address) { _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0); }

template <size_t bits, size_t rows, size_t m>
struct Tile {
  static constexpr size_t kPerLane = 32 / bits;
  static constexpr size_t kChains = m * rows < 8 ? 2 : 1;
  Codebook<bits> codebook[rows];
  __m512 sum[kChains][rows][m];

  // Adds a block of 16 * kPerLane columns; `dwords` are the indices of each row there.
  inline void add(const GemvBlock& block, const float* x, const __m512i (&dwords)[rows]) {
#pragma GCC unroll 32
    for (size_t v = 0; v < kPerLane; ++v) {
      __m512 w[rows];
      for (size_t r = 0; r < rows; ++r)
        w[r] = look_up<bits>(codebook[r], _mm512_srli_epi32(dwords[r], static_cast<unsigned>(v * bits)));
      for (size_t p = 0; p < m; ++p) {
        const __m512 column = _mm512_loadu_ps(x + p * block.x_stride + v * kLanes);
        for (size_t r = 0; r < rows; ++r)
          sum[v % kChains][r][p] = _mm512_fmadd_ps(w[r], column, sum[v % kChains][r][p]);
      }
    }
  }
};

template <size_t bits, size_t rows, size_t m>
void multiply_tile(const PackedRows& weight, const GemvBlock& block, size_t row, const float* x, float* y) {
  using RowTile = Tile<bits, rows, m>;
  const size_t row_bytes = weight.columns * bits / 8;
  const uint8_t* bytes = weight.indices + row * row_bytes;
  RowTile tile = {};
  for (size_t r = 0; r < rows; ++r) tile.codebook[r] = load_codebook<bits>(codebook_of_row(weight, row + r));
  // The next tile: the hardware follows a row, but not the jump to the next one, nor the small codebooks.
  // Weights that come from memory take 1.4 times as long without this; those in a cache 0.98 times.
  const uint8_t* const next_bytes = bytes + rows * row_bytes;
  for (size_t r = 0; r < rows; ++r) prefetch(codebook_of_row(weight, row + rows + r));
  __m512i dwords[rows];
  size_t at = 0;
  for (; at + kBlockBytes <= row_bytes; at += kBlockBytes) {
    for (size_t r = 0; r < rows; ++r) {
      dwords[r] = _mm512_loadu_si512(bytes + r * row_bytes + at);
      prefetch(next_bytes + r * row_bytes + at);
    }
    tile.add(block, x, dwords);
    x += kLanes * RowTile::kPerLane;
  }
  if (at < row_bytes) {
    const __mmask64 present = (uint64_t{1} << (row_bytes - at)) - 1;
    for (size_t r = 0; r < rows; ++r)
      dwords[r] = _mm512_maskz_loadu_epi8(present, bytes + r * row_bytes + at);
    tile.add(block, x, dwords);
  }
  for (size_t r = 0; r < rows; ++r) {
    for (size_t p = 0; p < m; ++p) {
      __m512 sum = tile.sum[0][r][p];
      if constexpr (RowTile::kChains == 2) sum = _mm512_add_ps(sum, tile.sum[1][r][p]);
      y[p * block.y_stride + row + r] = _mm512_reduce_add_ps(sum);
    }
  }
}

template <size_t bits, size_t m>
void multiply_rows(const PackedRows& weight, const GemvBlock& block, const float* x, float* y) {
  size_t row = block.first_row;
  const size_t end = row + block.rows;
  for (; row + kRows <= end; row += kRows) multiply_tile<bits, kRows, m>(weight, block, row, x, y);
  for (; row < end; ++row) multiply_tile<bits, 1, m>(weight, block, row, x, y);
}

template <size_t bits>
void multiply(const PackedRows& weight, const GemvBlock& block, const float* x, float* y) {
  constexpr codebook_gemv_fn kByVectors[] = {multiply_rows<bits, 1>, multiply_rows<bits, 2>,
                                             multiply_rows<bits, 3>, multiply_rows<bits, 4>};
  kByVectors[block.m - 1](weight, block, x, y);
}

}  // namespace

void codebook_gemv_dwords_avx512(const PackedRows& weight, const GemvBlock& block, const float* x, float* y) {
  if (weight.bits == 4) return multiply<4>(weight, block, x, y);
  if (weight.bits == 2) return multiply<2>(weight, block, x, y);
  multiply<1>(weight, block, x, y);
}

}  // namespace qc
