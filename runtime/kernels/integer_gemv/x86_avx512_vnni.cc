// Lanes are outputs, as in integer_gemm; codes become weights in registers, two vectors of outputs at a time.
#include "kernels/decode/x86_avx512_vnni.h"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/integer_gemm/x86_avx512_vnni_dots.h"
#include "kernels/integer_gemm/x86_avx512_vnni_results.h"
#include "kernels/integer_gemv/integer_gemv.h"

namespace qc {
namespace {

constexpr size_t kPrefetchBytes = 1024;  // ahead of what is read

// Chains of additions of one sum: eight in all hide the latency of a dot product.
template <size_t m, size_t vectors>
constexpr size_t kChains = m * vectors >= 8   ? 1
                           : m * vectors >= 4 ? 2
                                              : 4;

// Only a hint: it never faults, so the address may lie beyond the buffer.
template <size_t bytes>
QC_UNROLLED inline void prefetch(const uint8_t* address) {
  for (size_t i = 0; i < bytes; i += 64)
    _mm_prefetch(reinterpret_cast<const char*>(address + i), _MM_HINT_T0);
}

template <size_t m, size_t vectors>
struct Chains {
  static constexpr size_t kCount = kChains<m, vectors>;
  __m512i sum[kCount][m][vectors];

  QC_UNROLLED void start(const int32_t* start) {
    unroll<0, kCount * m * vectors>([&](auto i) QC_UNROLLED {
      constexpr size_t v = i.value % vectors, c = i.value / vectors / m;
      sum[c][i.value / vectors % m][v] =
          c == 0 ? _mm512_loadu_si512(start + v * kLanes) : _mm512_setzero_si512();
    });
  }

  QC_UNROLLED void store(int32_t* sums, size_t stride) const {
    unroll<0, m * vectors>([&](auto i) QC_UNROLLED {
      constexpr size_t p = i.value / vectors, v = i.value % vectors;
      __m512i all = sum[0][p][v];
      if constexpr (kCount > 1) all = _mm512_add_epi32(all, sum[1][p][v]);
      if constexpr (kCount > 2) all = _mm512_add_epi32(all, _mm512_add_epi32(sum[2][p][v], sum[3][p][v]));
      _mm512_store_si512(sums + p * stride + v * kLanes, all);
    });
  }
};

// Sums of `vectors` vectors of outputs, whose tiles lie `stride` bytes apart.
template <size_t bits, size_t m, size_t vectors, typename AnyTable>
QC_UNROLLED inline void add_tiles(const AnyTable (&table)[vectors], const uint8_t* tile, size_t stride,
                                  const uint8_t* x, size_t x_stride, Chains<m, vectors>& chains) {
  constexpr size_t kTileBytes = 32 * bits;
  const uint8_t* const end = tile + stride;
  for (; tile < end; tile += kTileBytes, x += kLanes) {
    unroll<0, vectors>([&](auto v)
                           QC_UNROLLED { prefetch<kTileBytes>(tile + v.value * stride + kPrefetchBytes); });
    const Tile<bits> codes[2] = {Tile<bits>(tile), Tile<bits>(tile + (vectors - 1) * stride)};
    unroll<0, kQuarters>([&](auto q) QC_UNROLLED {
      __m512i w[vectors];
      unroll<0, vectors>(
          [&](auto v) QC_UNROLLED { w[v.value] = table[v.value].template weights<q.value>(codes[v.value]); });
      unroll<0, m>([&](auto p) QC_UNROLLED {
        const __m512i four = broadcast(x + p.value * x_stride + q.value * 4);
        unroll<0, vectors>([&](auto v) QC_UNROLLED {
          add_dots(chains.sum[q.value % chains.kCount][p.value][v.value], four, w[v.value]);
        });
      });
    });
  }
}

// The operands of one call, but for the results.
struct Operands {
  const TiledWeight& weight;
  const PanelOfWeights& block;
  const uint8_t* x;
  size_t x_stride;
  const int32_t* start;

  size_t first_output(size_t v) const { return block.first_output + v * kLanes; }
  size_t last_output(size_t v) const {
    const size_t end = first_output(v) + kLanes - 1;
    return end < block.last_output ? end : block.last_output;
  }
  template <typename AnyTable>
  AnyTable table(size_t v) const {
    return AnyTable(weight, first_output(v), last_output(v));
  }
  bool has_mixed_vector() const {
    bool mixed = false;
    for (size_t v = 0; v < block.vectors; ++v)
      mixed = mixed || !one_codebook(weight, first_output(v), last_output(v));
    return mixed;
  }
};

template <size_t bits, size_t m, typename AnyTable>
void multiply_rows(const Operands& operands, int32_t* sums) {
  const PanelOfWeights& block = operands.block;
  const size_t stride = block.tiles * 32 * bits, sums_stride = block.vectors * kLanes;
  const uint8_t* tile = operands.weight.tiles + block.first_tile * 32 * bits;
  size_t v = 0;
  for (; v + 2 <= block.vectors; v += 2, tile += 2 * stride) {
    const AnyTable tables[2] = {operands.template table<AnyTable>(v),
                                operands.template table<AnyTable>(v + 1)};
    Chains<m, 2> chains;
    chains.start(operands.start + v * kLanes);
    add_tiles<bits, m, 2>(tables, tile, stride, operands.x, operands.x_stride, chains);
    chains.store(sums + v * kLanes, sums_stride);
  }
  if (v == block.vectors) return;
  const AnyTable tables[1] = {operands.template table<AnyTable>(v)};
  Chains<m, 1> chains;
  chains.start(operands.start + v * kLanes);
  add_tiles<bits, m, 1>(tables, tile, stride, operands.x, operands.x_stride, chains);
  chains.store(sums + v * kLanes, sums_stride);
}

template <size_t bits, typename AnyTable>
void multiply_any(const Operands& operands, size_t m, int32_t* sums) {
  if (m == 1) return multiply_rows<bits, 1, AnyTable>(operands, sums);
  if (m == 2) return multiply_rows<bits, 2, AnyTable>(operands, sums);
  if (m == 3) return multiply_rows<bits, 3, AnyTable>(operands, sums);
  multiply_rows<bits, 4, AnyTable>(operands, sums);
}

template <size_t bits>
void multiply(const Operands& operands, size_t m, int32_t* sums) {
  if constexpr (bits <= kMixedBits)
    if (operands.has_mixed_vector()) return multiply_any<bits, MixedTable<bits>>(operands, m, sums);
  multiply_any<bits, Table<bits>>(operands, m, sums);
}

}  // namespace

void integer_gemv_avx512_vnni(const TiledWeight& weight, const PanelOfWeights& block, size_t m,
                              const uint8_t* x, size_t x_stride, const IntegerResults& results) {
  constexpr void (*kByBits[])(const Operands&, size_t, int32_t*) = {
      multiply<1>, multiply<2>, multiply<3>, multiply<4>, multiply<5>, multiply<6>, multiply<7>, multiply<8>};
  alignas(64) int32_t sums[kIntegerGemvRows * kPanelVectors * kLanes];
  kByBits[weight.bits - 1]({weight, block, x, x_stride, results.start}, m, sums);
  store_any(results, 0, m, block.vectors, sums);
}

}  // namespace qc
