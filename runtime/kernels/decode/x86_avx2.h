// Decodes 8 consecutive weights of a row at a time, for any width and any bit at which a row starts: the
// method of x86_avx512.h with half the lanes. Included by the AVX2 kernels only; everything is static.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "base/packed_rows.h"

namespace qc {
namespace {

constexpr size_t kLanes = 8;

// A codebook: up to 64 entries in parts of 8, more stay in memory.
template <size_t bits>
struct Codebook {
  static constexpr size_t kParts = bits <= 3 ? 1 : bits <= 6 ? size_t{1} << (bits - 3) : 0;
  const float* entries;
  __m256 part[kParts == 0 ? 1 : kParts];
};

template <size_t bits>
inline Codebook<bits> load_codebook(const float* entries) {
  Codebook<bits> codebook = {};
  codebook.entries = entries;
  if constexpr (bits < 3) {
    constexpr int kEntries = 1 << bits;
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i present = _mm256_cmpgt_epi32(_mm256_set1_epi32(kEntries), lane);
    const __m256i entry = _mm256_and_si256(lane, _mm256_set1_epi32(kEntries - 1));
    codebook.part[0] = _mm256_permutevar8x32_ps(_mm256_maskload_ps(entries, present), entry);
  } else {
    for (size_t part = 0; part < Codebook<bits>::kParts; ++part)
      codebook.part[part] = _mm256_loadu_ps(entries + part * kLanes);
  }
  return codebook;
}

// Looks up within `count` parts, a power of two, by the low log2(8 * count) bits of each index.
template <int count>
inline __m256 look_up_parts(const __m256* part, __m256i index) {
  if constexpr (count == 1) {
    return _mm256_permutevar8x32_ps(part[0], index);
  } else {
    constexpr int kTopBit = count == 2 ? 3 : count == 4 ? 4 : 5;
    const __m256 low = look_up_parts<count / 2>(part, index);
    const __m256 high = look_up_parts<count / 2>(part + count / 2, index);
    const __m256i is_high = _mm256_slli_epi32(index, 31 - kTopBit);  // a blend looks at the sign
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(is_high));
  }
}

// Bits above the index are ignored. Single loads beat a gather by far on the AMD processors that have one.
template <size_t bits>
inline __m256 look_up(const Codebook<bits>& codebook, __m256i index) {
  if constexpr (bits <= 6) {
    return look_up_parts<static_cast<int>(Codebook<bits>::kParts)>(codebook.part, index);
  } else {
    alignas(32) uint32_t entry[kLanes];
    _mm256_store_si256(reinterpret_cast<__m256i*>(entry),
                       _mm256_and_si256(index, _mm256_set1_epi32((1 << bits) - 1)));
    const float* e = codebook.entries;
    return _mm256_setr_ps(e[entry[0]], e[entry[1]], e[entry[2]], e[entry[3]], e[entry[4]], e[entry[5]],
                          e[entry[6]], e[entry[7]]);
  }
}

// Where the 8 indices of a chunk lie within its bytes.
struct ChunkLayout {
  __m256i shuffle;
  __m256i shift;
};

template <size_t bits>
inline ChunkLayout chunk_layout(size_t first_bit) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i bit = _mm256_add_epi32(_mm256_mullo_epi32(lane, _mm256_set1_epi32(static_cast<int>(bits))),
                                       _mm256_set1_epi32(static_cast<int>(first_bit)));
  const __m256i byte = _mm256_srli_epi32(bit, 3);
  const __m256i next = _mm256_add_epi32(byte, _mm256_set1_epi32(1));
  const __m256i pair = _mm256_or_si256(byte, _mm256_slli_epi32(next, 8));
  return {_mm256_or_si256(pair, _mm256_set1_epi32(static_cast<int>(0x80800000u))),
          _mm256_and_si256(bit, _mm256_set1_epi32(7))};
}

inline __m256i spread_indices(const ChunkLayout& layout, __m128i bytes) {
  const __m256i pairs = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), layout.shuffle);
  return _mm256_srlv_epi32(pairs, layout.shift);
}

// The position of a row within the stream: its bytes, how many of them may be read, and its layout.
template <size_t bits>
struct Row {
  static constexpr size_t kChunkBytes = bits;
  const uint8_t* bytes;
  size_t readable;  // from `bytes` to the end of the stream
  ChunkLayout layout;

  // How many chunks, of `chunks`, can be loaded as 16 whole bytes.
  size_t whole_chunks(size_t chunks) const {
    const size_t whole = readable < 16 ? 0 : (readable - 16) / kChunkBytes + 1;
    return whole < chunks ? whole : chunks;
  }

  __m256i whole_chunk(size_t chunk) const {
    const auto* at = reinterpret_cast<const __m128i*>(bytes + chunk * kChunkBytes);
    return spread_indices(layout, _mm_loadu_si128(at));
  }

  // The same near the end of the stream: bytes past it are taken as zero and not touched.
  __m256i last_chunk(size_t chunk) const {
    const size_t offset = chunk * kChunkBytes;
    const size_t left = readable - offset;
    alignas(16) uint8_t copy[16] = {};
    for (size_t i = 0; i < (left < 16 ? left : 16); ++i) copy[i] = bytes[offset + i];
    return spread_indices(layout, _mm_load_si128(reinterpret_cast<const __m128i*>(copy)));
  }
};

// The row from `column` on; `column` is a multiple of 8.
template <size_t bits>
inline Row<bits> row_at(const PackedRows& weight, size_t row, size_t column) {
  const size_t bit = (row * weight.columns + column) * bits;
  return {weight.indices + bit / 8, weight.index_bytes - bit / 8, chunk_layout<bits>(bit % 8)};
}

// Writes `columns` weights of a row from `column` on, and up to a multiple of 8 whatever follows them.
template <size_t bits>
inline void decode_row(const PackedRows& weight, size_t row, size_t column, size_t columns, float* decoded) {
  const Codebook<bits> codebook = load_codebook<bits>(codebook_of_row(weight, row));
  const Row<bits> source = row_at<bits>(weight, row, column);
  const size_t chunks = (columns + kLanes - 1) / kLanes;
  const size_t whole = source.whole_chunks(chunks);
  for (size_t chunk = 0; chunk < whole; ++chunk)
    _mm256_storeu_ps(decoded + chunk * kLanes, look_up<bits>(codebook, source.whole_chunk(chunk)));
  for (size_t chunk = whole; chunk < chunks; ++chunk)
    _mm256_storeu_ps(decoded + chunk * kLanes, look_up<bits>(codebook, source.last_chunk(chunk)));
}

}  // namespace
}  // namespace qc
