// Decodes 32 consecutive weights of a row at a time into bfloat16, for a codebook of such values.
//
// As decode/x86_avx512.h, in lanes of 16 bits: an index and the bits beside it are at most 15. The lower half
// of the register is a chunk of 16 weights, the upper half the next one. For files compiled for AVX-512 only.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "base/packed_rows.h"

namespace qc {
namespace {

constexpr size_t kLanes = 16;        // of floats, and weights of a chunk
constexpr size_t kWords = 32;        // weights of two chunks
constexpr size_t kWordEntries = 32;  // of a codebook, in a register

// A codebook in registers; one of fewer entries is repeated, so that a lookup by the low five bits depends on
// the low `bits` ones only.
template <size_t bits>
struct WordCodebook {
  static constexpr size_t kParts = bits <= 5 ? 1 : size_t{1} << (bits - 5);
  __m512i part[kParts];
};

inline __m512i lane_numbers() {
  const __m512i dwords = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i even = _mm512_slli_epi32(dwords, 1);
  return _mm512_or_si512(even, _mm512_slli_epi32(_mm512_or_si512(even, _mm512_set1_epi32(1)), 16));
}

// The upper halves of the floats' bits.
template <size_t bits>
inline WordCodebook<bits> load_word_codebook(const float* entries) {
  WordCodebook<bits> codebook;
  const __m512i lane = lane_numbers(), one = _mm512_set1_epi16(1);
  if constexpr (bits <= 4) {
    constexpr int kEntries = 1 << bits;
    const __m512i entry = _mm512_and_si512(lane, _mm512_set1_epi16(kEntries - 1));
    const auto present = static_cast<__mmask16>((1u << kEntries) - 1);
    const __m512i floats = _mm512_castps_si512(_mm512_maskz_loadu_ps(present, entries));
    codebook.part[0] = _mm512_permutexvar_epi16(_mm512_or_si512(_mm512_slli_epi16(entry, 1), one), floats);
  } else {
    const __m512i upper = _mm512_or_si512(_mm512_slli_epi16(lane, 1), one);
    for (size_t part = 0; part < WordCodebook<bits>::kParts; ++part) {
      const float* const from = entries + part * kWordEntries;
      codebook.part[part] = _mm512_permutex2var_epi16(_mm512_castps_si512(_mm512_loadu_ps(from)), upper,
                                                      _mm512_castps_si512(_mm512_loadu_ps(from + kLanes)));
    }
  }
  return codebook;
}

// Looks up within `count` parts, a power of two, by the low log2(32 * count) bits of each index.
template <size_t count>
inline __m512i look_up_words(const __m512i* part, __m512i index) {
  if constexpr (count == 1) {
    return _mm512_permutexvar_epi16(index, part[0]);
  } else if constexpr (count == 2) {
    return _mm512_permutex2var_epi16(part[0], index, part[1]);
  } else {
    const __m512i low = look_up_words<count / 2>(part, index);
    const __m512i high = look_up_words<count / 2>(part + count / 2, index);
    const __mmask32 is_high =
        _mm512_test_epi16_mask(index, _mm512_set1_epi16(static_cast<short>(count * 16)));
    return _mm512_mask_mov_epi16(low, is_high, high);
  }
}

// Where the indices of two chunks lie within their bytes; both begin at the same bit of a byte.
struct WordLayout {
  __m512i shuffle;
  __m512i shift;
};

template <size_t bits>
inline WordLayout word_layout(size_t first_bit) {
  const __m512i lane = _mm512_and_si512(lane_numbers(), _mm512_set1_epi16(kLanes - 1));
  const __m512i bit = _mm512_add_epi16(_mm512_mullo_epi16(lane, _mm512_set1_epi16(bits)),
                                       _mm512_set1_epi16(static_cast<short>(first_bit)));
  const __m512i byte = _mm512_srli_epi16(bit, 3);
  // At 8 bits the last lane has no next byte, and none is needed: byte 0 comes in its place, above the index.
  const __m512i next = _mm512_and_si512(_mm512_add_epi16(byte, _mm512_set1_epi16(1)), _mm512_set1_epi16(15));
  return {_mm512_or_si512(byte, _mm512_slli_epi16(next, 8)), _mm512_and_si512(bit, _mm512_set1_epi16(7))};
}

inline __m512i spread_words(const WordLayout& layout, __m128i low, __m128i high) {
  const __m512i lower = _mm512_castsi256_si512(_mm256_broadcastsi128_si256(low));
  const __m512i bytes = _mm512_inserti64x4(lower, _mm256_broadcastsi128_si256(high), 1);
  return _mm512_srlv_epi16(_mm512_shuffle_epi8(bytes, layout.shuffle), layout.shift);
}

// A row within the stream, in chunks of 16 weights, which take 2 * bits bytes.
template <size_t bits>
struct WordRow {
  const uint8_t* bytes;
  size_t readable;  // from `bytes` to the end of the stream
  size_t chunks;
  WordLayout layout;

  // How many chunks can be loaded as 16 whole bytes.
  size_t whole_chunks() const {
    const size_t whole = readable < 16 ? 0 : (readable - 16) / (2 * bits) + 1;
    return whole < chunks ? whole : chunks;
  }
  __m128i whole_chunk(size_t chunk) const {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + chunk * 2 * bits));
  }
  // The same near the end of the stream: bytes past it, and chunks past the row, are taken as zero and not
  // touched.
  __m128i last_chunk(size_t chunk) const {
    if (chunk >= chunks) return _mm_setzero_si128();
    const size_t offset = chunk * 2 * bits, left = readable - offset;
    const auto present = static_cast<__mmask16>(left < 16 ? (1u << left) - 1 : 0xffffu);
    return _mm_maskz_loadu_epi8(present, bytes + offset);
  }
};

// Writes `columns` weights of a row from `column` on, a multiple of 16, and up to a multiple of 32 other
// entries of its codebook.
template <size_t bits>
inline void decode_words(const PackedRows& weight, size_t row, size_t column, size_t columns,
                         uint16_t* decoded) {
  const WordCodebook<bits> codebook = load_word_codebook<bits>(codebook_of_row(weight, row));
  const size_t bit = (row * weight.columns + column) * bits;
  const WordRow<bits> source = {weight.indices + bit / 8, weight.index_bytes - bit / 8,
                                (columns + kLanes - 1) / kLanes, word_layout<bits>(bit % 8)};
  const auto write = [&](size_t chunk, __m128i low, __m128i high) {
    const __m512i index = spread_words(source.layout, low, high);
    _mm512_storeu_si512(decoded + chunk * kLanes,
                        look_up_words<WordCodebook<bits>::kParts>(codebook.part, index));
  };
  const size_t whole = source.whole_chunks() / 2 * 2;
  for (size_t i = 0; i < whole; i += 2) write(i, source.whole_chunk(i), source.whole_chunk(i + 1));
  for (size_t i = whole; i < source.chunks; i += 2) write(i, source.last_chunk(i), source.last_chunk(i + 1));
}

}  // namespace
}  // namespace qc
