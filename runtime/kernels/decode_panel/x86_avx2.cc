#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/decode_panel/decode_panel.h"

namespace qc {
namespace {

constexpr size_t kBytes = 64;    // of four columns of a vector
constexpr size_t kShuffled = 4;  // bits that a byte shuffle looks up

// The codes of a tile, one a byte: each plane in parts that a shift brings to the bottom.
template <size_t bits>
inline void unpack(const uint8_t* tile, uint8_t* codes) {
  size_t low = 0;
  for (size_t i = 0; i < kTileCodes; ++i) codes[i] = 0;
  for (size_t width = 8; width > 0; width /= 2) {
    if ((bits & width) == 0) continue;
    const size_t plane_bytes = 32 * width;
    for (size_t part = 0; part < 8 / width; ++part)
      for (size_t i = 0; i < plane_bytes; ++i)
        codes[part * plane_bytes + i] |=
            static_cast<uint8_t>((tile[i] >> part * width & ((1u << width) - 1)) << low);
    tile += plane_bytes;
    low += width;
  }
}

// What codes of one codebook stand for.
template <size_t bits>
struct Table {
  int8_t entries[size_t{1} << (bits < kShuffled ? kShuffled : bits)];

  explicit Table(const int8_t* codebook) {
    for (size_t code = 0; code < sizeof(entries); ++code) {
      const size_t in_range = code % (size_t{1} << bits);
      entries[code] = codebook == nullptr
                          ? static_cast<int8_t>(static_cast<int>(in_range) - (1 << (bits - 1)))
                          : codebook[in_range];
    }
  }

  void look_up(const uint8_t* codes, int8_t* weights) const {
    if constexpr (bits > kShuffled) {
      for (size_t i = 0; i < kBytes; ++i) weights[i] = entries[codes[i]];
    } else {
      const __m256i table =
          _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(entries)));
      for (size_t i = 0; i < kBytes; i += sizeof(__m256i)) {
        const __m256i code = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(weights + i), _mm256_shuffle_epi8(table, code));
      }
    }
  }
};

template <size_t bits>
void decode(const TiledWeight& weight, const PanelOfWeights& block, int8_t* panel) {
  const size_t each = weight.outputs_per_codebook;
  for (size_t v = 0; v < block.vectors; ++v) {
    const size_t first = block.first_output + v * kTileLanes, end = first + kTileLanes - 1;
    const size_t last = end < block.last_output ? end : block.last_output;
    if (weight.codebook != nullptr && first / each != last / each)
      return decode_panel_scalar(weight, block, panel);  // rare: several codebooks in 16 outputs
    const Table<bits> table(weight.codebook == nullptr ? nullptr : weight.codebook + (first / each << bits));
    const uint8_t* tile = weight.tiles + (block.first_tile + v * block.tiles) * 32 * bits;
    for (size_t t = 0; t < block.tiles; ++t, tile += 32 * bits) {
      uint8_t codes[kTileCodes];
      unpack<bits>(tile, codes);
      for (size_t q = 0; q < 4; ++q)
        table.look_up(codes + q * kBytes, panel + ((t * 4 + q) * block.vectors + v) * kBytes);
    }
  }
}

}  // namespace

void decode_panel_avx2(const TiledWeight& weight, const PanelOfWeights& block, int8_t* panel) {
  constexpr decode_panel_fn kByBits[] = {decode<1>, decode<2>, decode<3>, decode<4>,
                                         decode<5>, decode<6>, decode<7>, decode<8>};
  kByBits[weight.bits - 1](weight, block, panel);
}

}  // namespace qc
