#include "kernels/decode/x86_avx512_vnni.h"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/decode_panel/decode_panel.h"

namespace qc {
namespace {

constexpr size_t kPrefetchBytes = 2048;  // ahead of what is read

template <size_t bits, typename AnyTable>
inline void decode_vector(const AnyTable& table, const uint8_t* tile, size_t tiles, size_t stride,
                          int8_t* panel) {
  for (size_t t = 0; t < tiles; ++t, tile += 32 * bits, panel += kQuarters * stride) {
    // Only a hint: it never faults, so the address may lie beyond the buffer.
    for (size_t i = 0; i < 32 * bits; i += kBytes)
      _mm_prefetch(reinterpret_cast<const char*>(tile + kPrefetchBytes + i), _MM_HINT_T0);
    const Tile<bits> codes(tile);
    _mm512_store_si512(panel, table.template weights<0>(codes));
    _mm512_store_si512(panel + stride, table.template weights<1>(codes));
    _mm512_store_si512(panel + 2 * stride, table.template weights<2>(codes));
    _mm512_store_si512(panel + 3 * stride, table.template weights<3>(codes));
  }
}

template <size_t bits>
void decode(const TiledWeight& weight, const PanelOfWeights& block, int8_t* panel) {
  const size_t stride = block.vectors * kBytes;
  for (size_t v = 0; v < block.vectors; ++v) {
    const size_t first = block.first_output + v * kTileLanes, end = first + kTileLanes - 1;
    const size_t last = end < block.last_output ? end : block.last_output;
    const uint8_t* const tile = weight.tiles + (block.first_tile + v * block.tiles) * 32 * bits;
    if (one_codebook(weight, first, last)) {
      decode_vector<bits>(Table<bits>(weight, first, last), tile, block.tiles, stride, panel + v * kBytes);
    } else if constexpr (bits <= kMixedBits) {
      decode_vector<bits>(MixedTable<bits>(weight, first, last), tile, block.tiles, stride,
                          panel + v * kBytes);
    } else {
      return decode_panel_scalar(weight, block, panel);  // rare: many large codebooks
    }
  }
}

}  // namespace

void decode_panel_avx512_vnni(const TiledWeight& weight, const PanelOfWeights& block, int8_t* panel) {
  constexpr decode_panel_fn kByBits[] = {decode<1>, decode<2>, decode<3>, decode<4>,
                                         decode<5>, decode<6>, decode<7>, decode<8>};
  kByBits[weight.bits - 1](weight, block, panel);
}

}  // namespace qc
