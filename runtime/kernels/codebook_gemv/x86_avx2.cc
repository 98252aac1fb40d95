#include "kernels/decode/x86_avx2.h"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/codebook_gemv/codebook_gemv.h"

namespace qc {
namespace {

// Independent chains of additions, enough to hide the latency of an FMA.
template <size_t m>
constexpr size_t kChains = m == 1 ? 4 : 2;

inline float add_lanes(__m256 v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// sum[p] += the weights of one chunk times the columns of each vector
template <size_t m>
inline void accumulate(const GemvBlock& block, const float* x, size_t chunk, __m256 w, __m256 (&sum)[m]) {
  for (size_t p = 0; p < m; ++p) {
    const __m256 column = _mm256_loadu_ps(x + p * block.x_stride + chunk * kLanes);
    sum[p] = _mm256_fmadd_ps(w, column, sum[p]);
  }
}

template <size_t bits, size_t m>
void multiply_row(const PackedRows& weight, const GemvBlock& block, size_t row, const float* x, float* y) {
  constexpr size_t chains = kChains<m>;
  const Codebook<bits> codebook = load_codebook<bits>(codebook_of_row(weight, row));
  const Row<bits> source = row_at<bits>(weight, row, 0);
  const size_t chunks = (weight.columns + kLanes - 1) / kLanes;
  const size_t whole = source.whole_chunks(chunks);
  __m256 sum[chains][m] = {};
  size_t chunk = 0;
  for (; chunk + chains <= whole; chunk += chains) {
    for (size_t c = 0; c < chains; ++c)
      accumulate<m>(block, x, chunk + c, look_up<bits>(codebook, source.whole_chunk(chunk + c)), sum[c]);
  }
  for (; chunk < chunks; ++chunk) {
    const __m256i indices = chunk < whole ? source.whole_chunk(chunk) : source.last_chunk(chunk);
    accumulate<m>(block, x, chunk, look_up<bits>(codebook, indices), sum[0]);
  }
  for (size_t p = 0; p < m; ++p) {
    for (size_t c = 1; c < chains; ++c) sum[0][p] = _mm256_add_ps(sum[0][p], sum[c][p]);
    y[p * block.y_stride + row] = add_lanes(sum[0][p]);
  }
}

template <size_t bits, size_t m>
void multiply_rows(const PackedRows& weight, const GemvBlock& block, const float* x, float* y) {
  for (size_t i = 0; i < block.rows; ++i) multiply_row<bits, m>(weight, block, block.first_row + i, x, y);
}

template <size_t bits>
void multiply(const PackedRows& weight, const GemvBlock& block, const float* x, float* y) {
  constexpr codebook_gemv_fn kByVectors[] = {multiply_rows<bits, 1>, multiply_rows<bits, 2>,
                                             multiply_rows<bits, 3>, multiply_rows<bits, 4>};
  kByVectors[block.m - 1](weight, block, x, y);
}

}  // namespace

void codebook_gemv_avx2(const PackedRows& weight, const GemvBlock& block, const float* x, float* y) {
  constexpr codebook_gemv_fn kByBits[] = {multiply<1>, multiply<2>, multiply<3>, multiply<4>,
                                          multiply<5>, multiply<6>, multiply<7>, multiply<8>};
  kByBits[weight.bits - 1](weight, block, x, y);
}

}  // namespace qc
