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

inline __m512i load(const uint8_t* bytes) { return _mm512_loadu_si512(bytes); }

// Both halves are the plane of one bit; the second is shifted, so that bit 2 q of every byte is of quarter q.
inline __m512i load_bit_plane(const uint8_t* bytes) {
  const __m256i plane = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
  return _mm512_inserti64x4(_mm512_castsi256_si512(plane), _mm256_srli_epi16(plane, 1), 1);
}

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
template <size_t bits, int q>
inline __m512i codes(const uint8_t* tile) {
  if constexpr (bits == 8) return load(tile + q * kBytes);
  if constexpr (bits == 1) return move_bit<2 * q, 0>(load_bit_plane(tile));
  if constexpr (bits == 2) return move_bit<2 * q, 0>(load(tile));
  if constexpr (bits == 3)
    return join<2>(move_bit<2 * q, 0>(load(tile)), move_bit<2 * q, 2>(load_bit_plane(tile + 64)));
  if constexpr (bits >= 4) {
    const __m512i low = move_bit<q / 2 * 4, 0>(load(tile + q % 2 * kBytes));
    if constexpr (bits == 4) return low;
    if constexpr (bits == 5) return join<4>(low, move_bit<2 * q, 4>(load_bit_plane(tile + 128)));
    const __m512i middle = join<4>(low, move_bit<2 * q, 4>(load(tile + 128)));
    if constexpr (bits == 6) return middle;
    return join<6>(middle, move_bit<2 * q, 6>(load_bit_plane(tile + 192)));
  }
}

// What codes stand for, in registers of 64. A codebook of fewer entries is repeated, so that a lookup depends
// on the low `bits` bits only.
template <size_t bits>
struct Table {
  static constexpr size_t kParts = bits <= 6 ? 1 : size_t{1} << (bits - 6);
  __m512i part[kParts];

  // Outputs [first_output, last_output] share a codebook.
  Table(const TiledWeight& weight, size_t first_output, size_t) {
    const int8_t* const codebook =
        weight.codebook == nullptr ? nullptr
                                   : weight.codebook + (first_output / weight.outputs_per_codebook << bits);
    const __m512i byte =
        _mm512_add_epi8(_mm512_slli_epi32(lanes_of_bytes(), 2), _mm512_set1_epi32(0x03020100));
    constexpr int kEntries = 1 << bits;
    for (size_t i = 0; i < kParts; ++i) {
      const __m512i code = _mm512_add_epi8(byte, _mm512_set1_epi8(static_cast<char>(i * kBytes)));
      if (codebook == nullptr) {
        const __m512i in_range = _mm512_and_si512(code, _mm512_set1_epi8(static_cast<char>(kEntries - 1)));
        part[i] = _mm512_sub_epi8(in_range, _mm512_set1_epi8(static_cast<char>(kEntries / 2)));
      } else if constexpr (bits >= 6) {
        part[i] = _mm512_loadu_si512(codebook + i * kBytes);
      } else {
        const __m512i entries = _mm512_maskz_loadu_epi8((uint64_t{1} << kEntries) - 1, codebook);
        part[i] = _mm512_permutexvar_epi8(_mm512_and_si512(code, _mm512_set1_epi8(kEntries - 1)), entries);
      }
    }
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
      const int8_t* const codebook = weight.codebook + (output / weight.outputs_per_codebook << bits);
      for (size_t i = 0; i < kEntries; ++i) entries[lane * kEntries + i] = codebook[i];
    }
    for (size_t i = 0; i < kParts; ++i) part[i] = _mm512_load_si512(entries + i * kBytes);
    base = _mm512_slli_epi32(lanes_of_bytes(), bits);  // the index of lane 15 is below 256: no carry
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
