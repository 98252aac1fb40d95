// Decodes 16 consecutive weights of a row at a time, for any width and any bit at which a row starts.
//
// The 16 bytes that hold the weights are copied to all four quarters of a register; a byte shuffle gives each
// lane the two bytes with its index, and a shift brings the index to bit 0. 16 weights take 2 * bits bytes,
// so the shuffle and the shift are constants of a row. Bits above the index are left in place: the lookups
// ignore them. Included by the AVX-512 kernels only; everything is static, so nothing can leak into other
// objects.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "base/packed_rows.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16;

// A codebook in registers, in parts of 16 entries. One of fewer entries is repeated, so that a lookup by the
// low four bits depends on the low `bits` ones only.
template <size_t bits>
struct Codebook {
  static constexpr size_t kParts = bits <= 4 ? 1 : size_t{1} << (bits - 4);
  __m512 part[kParts];
};

template <size_t bits>
inline Codebook<bits> load_codebook(const float* entries) {
  Codebook<bits> codebook;
  if constexpr (bits < 4) {
    constexpr int kEntries = 1 << bits;
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i entry = _mm512_and_si512(lane, _mm512_set1_epi32(kEntries - 1));
    const auto present = static_cast<__mmask16>((1u << kEntries) - 1);
    codebook.part[0] = _mm512_permutexvar_ps(entry, _mm512_maskz_loadu_ps(present, entries));
  } else {
    for (size_t part = 0; part < Codebook<bits>::kParts; ++part)
      codebook.part[part] = _mm512_loadu_ps(entries + part * kLanes);
  }
  return codebook;
}

// Looks up within `count` parts, a power of two, by the low log2(16 * count) bits of each index.
template <size_t count>
inline __m512 look_up_parts(const __m512* part, __m512i index) {
  if constexpr (count == 1) {
    return _mm512_permutexvar_ps(index, part[0]);
  } else if constexpr (count == 2) {
    return _mm512_permutex2var_ps(part[0], index, part[1]);
  } else {
    const __m512 low = look_up_parts<count / 2>(part, index);
    const __m512 high = look_up_parts<count / 2>(part + count / 2, index);
    const __mmask16 is_high = _mm512_test_epi32_mask(index, _mm512_set1_epi32(static_cast<int>(count * 8)));
    return _mm512_mask_mov_ps(low, is_high, high);
  }
}

template <size_t bits>
inline __m512 look_up(const Codebook<bits>& codebook, __m512i index) {
  return look_up_parts<Codebook<bits>::kParts>(codebook.part, index);
}

// Where the 16 indices of a chunk lie within its bytes.
struct ChunkLayout {
  __m512i shuffle;
  __m512i shift;
};

template <size_t bits>
inline ChunkLayout chunk_layout(size_t first_bit) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i bit = _mm512_add_epi32(_mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int>(bits))),
                                       _mm512_set1_epi32(static_cast<int>(first_bit)));
  const __m512i byte = _mm512_srli_epi32(bit, 3);
  // Byte 0 of a lane comes from `byte`, byte 1 from the next one, bytes 2 and 3 are zero. At 8 bits the last
  // lane has no next byte, and none is needed: the shuffle reads byte 0 there, above the index.
  const __m512i next = _mm512_and_si512(_mm512_add_epi32(byte, _mm512_set1_epi32(1)), _mm512_set1_epi32(15));
  const __m512i pair = _mm512_or_si512(byte, _mm512_slli_epi32(next, 8));
  return {_mm512_or_si512(pair, _mm512_set1_epi32(static_cast<int>(0x80800000u))),
          _mm512_and_si512(bit, _mm512_set1_epi32(7))};
}

inline __m512i spread_indices(const ChunkLayout& layout, __m128i bytes) {
  const __m512i pairs = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(bytes), layout.shuffle);
  return _mm512_srlv_epi32(pairs, layout.shift);
}

// The position of a row within the stream: its bytes, how many of them may be read, and its layout.
template <size_t bits>
struct Row {
  static constexpr size_t kChunkBytes = 2 * bits;
  const uint8_t* bytes;
  size_t readable;  // from `bytes` to the end of the stream
  ChunkLayout layout;

  // How many chunks, of `chunks`, can be loaded as 16 whole bytes.
  size_t whole_chunks(size_t chunks) const {
    const size_t whole = readable < 16 ? 0 : (readable - 16) / kChunkBytes + 1;
    return whole < chunks ? whole : chunks;
  }

  __m512i whole_chunk(size_t chunk) const {
    const auto* at = reinterpret_cast<const __m128i*>(bytes + chunk * kChunkBytes);
    return spread_indices(layout, _mm_loadu_si128(at));
  }

  // The same near the end of the stream: bytes past it are taken as zero and not touched.
  __m512i last_chunk(size_t chunk) const {
    const size_t offset = chunk * kChunkBytes;
    const size_t left = readable - offset;
    const auto present = static_cast<__mmask16>(left < 16 ? (1u << left) - 1 : 0xffffu);
    return spread_indices(layout, _mm_maskz_loadu_epi8(present, bytes + offset));
  }
};

// The row from `column` on; `column` is a multiple of 16.
template <size_t bits>
inline Row<bits> row_at(const PackedRows& weight, size_t row, size_t column) {
  const size_t bit = (row * weight.columns + column) * bits;
  return {weight.indices + bit / 8, weight.index_bytes - bit / 8, chunk_layout<bits>(bit % 8)};
}

// Writes `columns` weights of a row from `column` on, and up to a multiple of 16 whatever follows them.
template <size_t bits>
inline void decode_row(const PackedRows& weight, size_t row, size_t column, size_t columns, float* decoded) {
  const Codebook<bits> codebook = load_codebook<bits>(codebook_of_row(weight, row));
  const Row<bits> source = row_at<bits>(weight, row, column);
  const size_t chunks = (columns + kLanes - 1) / kLanes;
  const size_t whole = source.whole_chunks(chunks);
  for (size_t chunk = 0; chunk < whole; ++chunk)
    _mm512_storeu_ps(decoded + chunk * kLanes, look_up<bits>(codebook, source.whole_chunk(chunk)));
  for (size_t chunk = whole; chunk < chunks; ++chunk)
    _mm512_storeu_ps(decoded + chunk * kLanes, look_up<bits>(codebook, source.last_chunk(chunk)));
}

}  // namespace
}  // namespace qc
