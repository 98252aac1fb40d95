#include "kernels/codes/lookup_avx512.h"
#include "kernels/decode_tiles/loops.h"

namespace qc {
namespace {

// Weights by one codebook of at most 16 * parts entries, in place.
template <size_t parts>
void look_up(const uint8_t* entries, size_t count, uint8_t* codes) {
  const ByteTable<parts> table(entries);
  for (size_t i = 0; i < count; i += 64)
    _mm512_storeu_si512(codes + i, table.at(_mm512_loadu_si512(codes + i)));
}

void look_up_one(const TiledWeight& weight, size_t count, uint8_t* codes) {
  uint8_t entries[256] = {};
  __builtin_memcpy(entries, weight.codebook, size_t{1} << weight.bits);
  if (weight.bits <= 4) return look_up<1>(entries, count, codes);
  if (weight.bits == 5) return look_up<2>(entries, count, codes);
  if (weight.bits == 6) return look_up<4>(entries, count, codes);
  if (weight.bits == 7) return look_up<8>(entries, count, codes);
  look_up<16>(entries, count, codes);
}

}  // namespace

void decode_tiles_avx512(const TiledWeight& weight, size_t outputs, int8_t* weights) {
  if (weight.codebook == nullptr || weight.outputs_per_codebook < outputs)
    return decode_tiles_loops(weight, outputs, weights);
  auto* const codes = reinterpret_cast<uint8_t*>(weights);
  unpack_tiles(weight, codes);
  look_up_one(weight, weight.tile_count * kTileCodes, codes);
}

}  // namespace qc
