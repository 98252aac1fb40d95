// Decodes tiles, 64 codes at a time (docs/packed-format.md, section 7). Included by the avx512_vnni kernels
// only; everything is static, so nothing can leak into other objects.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "base/tiled_weight.h"

namespace qc {
namespace {

constexpr size_t kQuarters = 4;   // registers of 64 codes that a tile fills
constexpr size_t kBytes = 64;     // of one
constexpr size_t kMixedBits = 4;  // up to here the codebooks of 16 outputs fit four registers

inline __m512i lanes_of_bytes() {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_mullo_epi32(lane, _mm512_set1_epi32(0x01010101));
}

// Opaque to the compiler, which would otherwise read memory again for each use.
inline __m512i load(const uint8_t* bytes) {
  __m512i loaded = _mm512_loadu_si512(bytes);
  __asm__("" : "+v"(loaded));
  return loaded;
}

// Both halves are the plane of one bit; the second is shifted, so that bit 2 q of every byte is of quarter q.
inline __m512i load_bit_plane(const uint8_t* bytes) {
  const __m256i plane = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
  return _mm512_inserti64x4(_mm512_castsi256_si512(plane), _mm256_srli_epi16(plane, 1), 1);
}

// A tile in registers: its planes in their order. Those of 4 and 8 bits take more than one.
template <size_t bits>
struct Tile {
  static constexpr size_t kWhole = bits == 8 ? 4 : (bits & 4) / 2 + (bits & 2) / 2;
  static constexpr bool kHasBitPlane = bits % 2 == 1;
  __m512i plane[kWhole + kHasBitPlane];

  explicit Tile(const uint8_t* bytes) {
    for (size_t i = 0; i < kWhole; ++i) plane[i] = load(bytes + i * kBytes);
    if constexpr (kHasBitPlane) plane[kWhole] = load_bit_plane(bytes + kWhole * kBytes);
  }
};

// Moves bit `from` of every byte to bit `to`. What lies beside it comes from neighbours: it is ignored.
template <int from, int to>
inline __m512i move_bit(__m512i bytes) {
  if constexpr (from >= to) return _mm512_srli_epi16(bytes, from - to);
  return _mm512_slli_epi16(bytes, to - from);
}

// The bits of `low` below `bits`, those of `high` from there on.
template <int bits>
inline __m512i join(__m512i low, __m512i high) {
  return _mm512_ternarylogic_epi32(_mm512_set1_epi8((1 << bits) - 1), low, high, 0xCA);
}

// The codes of quarter q in the low bits of each byte, anything above them.
template <int q, size_t bits>
inline __m512i codes(const Tile<bits>& tile) {
  if constexpr (bits == 8) return tile.plane[q];
  if constexpr (bits <= 2) return move_bit<2 * q, 0>(tile.plane[0]);
  if constexpr (bits == 3)
    return join<2>(move_bit<2 * q, 0>(tile.plane[0]), move_bit<2 * q, 2>(tile.plane[1]));
  if constexpr (bits >= 4 && bits < 8) {
    const __m512i low = move_bit<q / 2 * 4, 0>(tile.plane[q % 2]);
    if constexpr (bits == 4) return low;
    if constexpr (bits > 4) {
      const __m512i middle = join<4>(low, move_bit<2 * q, 4>(tile.plane[2]));
      if constexpr (bits < 7) return middle;
      if constexpr (bits == 7) return join<6>(middle, move_bit<2 * q, 6>(tile.plane[3]));
    }
  }
}

inline const int8_t* codebook_of(const TiledWeight& weight, size_t output) {
  if (weight.codebook == nullptr) return nullptr;
  return weight.codebook + (output / weight.outputs_per_codebook << weight.bits);
}

// 64 bytes that count from `first` on.
inline __m512i count_from(int first) {
  const __m512i byte = _mm512_add_epi8(_mm512_slli_epi32(lanes_of_bytes(), 2), _mm512_set1_epi32(0x03020100));
  return _mm512_add_epi8(byte, _mm512_set1_epi8(static_cast<char>(first)));
}

// What each of 64 codes below 2^bits stands for.
template <size_t bits>
inline __m512i entries_at(const int8_t* codebook, __m512i code) {
  constexpr int kEntries = 1 << bits;
  if (codebook == nullptr) return _mm512_sub_epi8(code, _mm512_set1_epi8(static_cast<char>(kEntries / 2)));
  constexpr uint64_t kPresent = bits >= 6 ? ~uint64_t{0} : (uint64_t{1} << kEntries % 64) - 1;
  return _mm512_permutexvar_epi8(code, _mm512_maskz_loadu_epi8(kPresent, codebook));
}

// What codes stand for, in registers of 64. A codebook of fewer entries is repeated, so that a lookup depends
// on the low `bits` bits only.
template <size_t bits>
struct Table {
  static constexpr size_t kParts = bits <= 6 ? 1 : size_t{1} << (bits - 6);
  __m512i part[kParts];

  // Outputs [first_output, last_output] share a codebook.
  Table(const TiledWeight& weight, size_t first_output, size_t) {
    const int8_t* const codebook = codebook_of(weight, first_output);
    constexpr char kMask = static_cast<char>((1 << bits) - 1);
    for (size_t i = 0; i < kParts; ++i) {
      const __m512i code =
          _mm512_and_si512(count_from(static_cast<int>(i * kBytes)), _mm512_set1_epi8(kMask));
      part[i] = entries_at<bits>(bits > 6 && codebook != nullptr ? codebook + i * kBytes : codebook, code);
    }
  }

  template <int q>
  __m512i weights(const Tile<bits>& tile) const {
    return look_up(codes<q>(tile));
  }

  __m512i look_up(__m512i code) const {
    if constexpr (kParts == 1) return _mm512_permutexvar_epi8(code, part[0]);
    if constexpr (kParts > 1) {
      const __m512i low = _mm512_permutex2var_epi8(part[0], code, part[1]);
      if constexpr (kParts == 2) return low;
      if constexpr (kParts == 4)
        return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(code),
                                    _mm512_permutex2var_epi8(part[2], code, part[3]));
    }
  }
};

// One or two bits: a lookup takes six bits of its index, so three quarters need no shift but tables of their
// own.
template <size_t bits>
struct ShortTable {
  __m512i part[3];

  ShortTable(const TiledWeight& weight, size_t first_output, size_t) {
    const int8_t* const codebook = codebook_of(weight, first_output);
    const __m512i byte = count_from(0), mask = _mm512_set1_epi8((1 << bits) - 1);
    part[0] = entries_at<bits>(codebook, _mm512_and_si512(byte, mask));
    part[1] = entries_at<bits>(codebook, _mm512_and_si512(_mm512_srli_epi16(byte, 2), mask));
    part[2] = entries_at<bits>(codebook, _mm512_and_si512(_mm512_srli_epi16(byte, 4), mask));
  }

  template <int q>
  __m512i weights(const Tile<bits>& tile) const {
    if constexpr (q == 3) return _mm512_permutexvar_epi8(move_bit<6, 0>(tile.plane[0]), part[0]);
    if constexpr (q < 3) return _mm512_permutexvar_epi8(tile.plane[0], part[q]);
  }
};
template <>
struct Table<1> : ShortTable<1> {
  using ShortTable::ShortTable;
};
template <>
struct Table<2> : ShortTable<2> {
  using ShortTable::ShortTable;
};

// Three bits: one index serves two quarters. Bits 0, 1 and 4 are of the first, 2, 3 and 6 of the second.
template <>
struct Table<3> {
  __m512i first, second[2];

  Table(const TiledWeight& weight, size_t first_output, size_t) {
    const int8_t* const codebook = codebook_of(weight, first_output);
    first = entries_at<3>(codebook, code_of_first(count_from(0)));
    for (int i = 0; i < 2; ++i)
      second[i] = entries_at<3>(codebook, code_of_first(_mm512_srli_epi16(count_from(64 * i), 2)));
  }

  template <int q>
  __m512i weights(const Tile<3>& tile) const {
    const __m512i index = q < 2 ? join<4>(tile.plane[0], move_bit<0, 4>(tile.plane[1]))
                                : join<4>(move_bit<4, 0>(tile.plane[0]), tile.plane[1]);
    if constexpr (q % 2 == 0) return _mm512_permutexvar_epi8(index, first);
    return _mm512_permutex2var_epi8(second[0], index, second[1]);
  }

 private:
  static __m512i code_of_first(__m512i index) {
    const __m512i low = _mm512_and_si512(index, _mm512_set1_epi8(3));
    return _mm512_or_si512(low, _mm512_and_si512(_mm512_srli_epi16(index, 2), _mm512_set1_epi8(4)));
  }
};

// The codebooks of 16 outputs one after the other: the output of a byte is part of its index.
template <size_t bits>
struct MixedTable {
  static constexpr size_t kParts = bits <= 2 ? 1 : size_t{1} << (bits - 2);
  __m512i part[kParts], base;

  MixedTable(const TiledWeight& weight, size_t first_output, size_t last_output) {
    constexpr size_t kEntries = size_t{1} << bits;
    alignas(64) int8_t entries[kParts * kBytes] = {};
    for (size_t lane = 0; lane < kTileLanes; ++lane) {
      const size_t output = first_output + lane < last_output ? first_output + lane : last_output;
      const int8_t* const codebook = codebook_of(weight, output);
      for (size_t i = 0; i < kEntries; ++i) entries[lane * kEntries + i] = codebook[i];
    }
    for (size_t i = 0; i < kParts; ++i) part[i] = _mm512_load_si512(entries + i * kBytes);
    base = _mm512_slli_epi32(lanes_of_bytes(), bits);  // the index of lane 15 is below 256: no carry
  }

  template <int q>
  __m512i weights(const Tile<bits>& tile) const {
    return look_up(codes<q>(tile));
  }

  __m512i look_up(__m512i code) const {
    const __m512i index = _mm512_ternarylogic_epi32(code, _mm512_set1_epi8((1 << bits) - 1), base,
                                                    0xEA);  // (code & mask) | base
    if constexpr (kParts == 1) return _mm512_permutexvar_epi8(index, part[0]);
    if constexpr (kParts > 1) {
      const __m512i low = _mm512_permutex2var_epi8(part[0], index, part[1]);
      if constexpr (kParts == 2) return low;
      if constexpr (kParts == 4)
        return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(index),
                                    _mm512_permutex2var_epi8(part[2], index, part[3]));
    }
  }
};

// Whether outputs [first_output, last_output] share one.
inline bool one_codebook(const TiledWeight& weight, size_t first_output, size_t last_output) {
  return weight.codebook == nullptr ||
         first_output / weight.outputs_per_codebook == last_output / weight.outputs_per_codebook;
}

}  // namespace
}  // namespace qc
