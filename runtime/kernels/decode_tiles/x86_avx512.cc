#include "kernels/codes/x86_avx512_lookup.h"
#include "kernels/decode_tiles/loops.h"

namespace qc {
namespace {

// The part of codes 64 q to 64 q + 63 of a tile that the plane of `width` bits at `plane` holds.
template <size_t width>
inline __m512i plane_codes(const uint8_t* plane, size_t q) {
  if (width == 8) return _mm512_loadu_si512(plane + 64 * q);
  if (width == 1) {
    const __m512i bytes = _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(plane)));
    const __m512i shifts = _mm512_inserti64x4(_mm512_set1_epi16(static_cast<short>(2 * q)),
                                              _mm256_set1_epi16(static_cast<short>(2 * q + 1)), 1);
    return _mm512_and_si512(_mm512_srlv_epi16(bytes, shifts), _mm512_set1_epi8(1));
  }
  constexpr size_t kRegisters = width == 4 ? 2 : 1;
  const __m512i bytes = _mm512_loadu_si512(plane + 64 * (q % kRegisters));
  const __m512i part = _mm512_srli_epi16(bytes, static_cast<unsigned>(width * (q / kRegisters)));
  return _mm512_and_si512(part, _mm512_set1_epi8((1 << width % 8) - 1));
}

// Codes 64 q to 64 q + 63 of a tile.
template <size_t bits>
inline __m512i tile_codes(const uint8_t* tile, size_t q) {
  __m512i codes = _mm512_setzero_si512();
  const auto add = [&](__m512i part, size_t low) {
    codes = _mm512_or_si512(codes, _mm512_slli_epi16(part, static_cast<unsigned>(low)));
  };
  constexpr size_t kFour = bits & 8, kTwo = bits & 12, kOne = bits & 14;  // lower bits come before each plane
  if (bits & 8) add(plane_codes<8>(tile, q), 0);
  if (bits & 4) add(plane_codes<4>(tile + 32 * kFour, q), kFour);
  if (bits & 2) add(plane_codes<2>(tile + 32 * kTwo, q), kTwo);
  if (bits & 1) add(plane_codes<1>(tile + 32 * kOne, q), kOne);
  return codes;
}

// What map(codes) makes of all codes.
template <size_t bits, class Map>
inline void decode(const TiledWeight& weight, const Map& map, int8_t* weights) {
  for (size_t tile = 0; tile < weight.tile_count; ++tile)
    for (size_t q = 0; q < 4; ++q)
      _mm512_storeu_si512(weights + tile * kTileCodes + 64 * q,
                          map(tile_codes<bits>(weight.tiles + tile * 32 * bits, q)));
}

// By one codebook.
template <size_t bits>
void decode_by_table(const TiledWeight& weight, int8_t* weights) {
  uint8_t entries[256] = {};
  __builtin_memcpy(entries, weight.codebook, size_t{1} << bits);
  const ByteTable<(bits <= 4 ? 1 : 1 << (bits - 4))> table(entries);
  decode<bits>(weight, [&](__m512i codes) { return table.at(codes); }, weights);
}

template <size_t bits>
void decode_all(const TiledWeight& weight, size_t outputs, int8_t* weights) {
  if (weight.codebook == nullptr) {
    const __m512i middle = _mm512_set1_epi8(static_cast<char>(1 << (bits - 1)));
    return decode<bits>(weight, [&](__m512i codes) { return _mm512_sub_epi8(codes, middle); }, weights);
  }
  if (weight.outputs_per_codebook >= outputs) return decode_by_table<bits>(weight, weights);
  decode<bits>(weight, [](__m512i codes) { return codes; }, weights);
  look_up_rows(weight, outputs, weight.tile_count * kTileCodes, reinterpret_cast<uint8_t*>(weights));
}

using decode_fn = void (*)(const TiledWeight& weight, size_t outputs, int8_t* weights);
constexpr decode_fn kDecodeByBits[] = {decode_all<1>, decode_all<2>, decode_all<3>, decode_all<4>,
                                       decode_all<5>, decode_all<6>, decode_all<7>, decode_all<8>};

}  // namespace

void decode_tiles_avx512(const TiledWeight& weight, size_t outputs, int8_t* weights) {
  kDecodeByBits[weight.bits - 1](weight, outputs, weights);
}

}  // namespace qc
