// Lanes are outputs where products are summed, channels where x is transformed.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/integer_gemm/x86_avx512_vnni_results.h"
#include "kernels/integer_gemm/x86_avx512_vnni_runs.h"
#include "kernels/integer_winograd/integer_winograd.h"

namespace qc {
namespace {

// A M A^T and the start, divided: the sums of four outputs of 16 lanes. `sums` are those of position 0.
struct FourSums {
  __m512i value[2][2];
};
QC_UNROLLED inline FourSums finish_sums(const int32_t* sums, size_t stride, const int32_t* start,
                                        size_t start_stride) {
  __m512i upper[4], lower[4];
  unroll<0, 4>([&](auto j) QC_UNROLLED {
    __m512i m[4];
    unroll<0, 4>(
        [&](auto i) QC_UNROLLED { m[i.value] = _mm512_load_si512(sums + (i.value * 4 + j.value) * stride); });
    upper[j.value] = _mm512_add_epi32(_mm512_add_epi32(m[1], m[2]), m[0]);
    lower[j.value] = _mm512_sub_epi32(_mm512_sub_epi32(m[1], m[2]), m[3]);
  });
  const auto both = [&](const __m512i(&row)[4], const int32_t* starts, __m512i(&to)[2]) QC_UNROLLED {
    const __m512i left = _mm512_add_epi32(_mm512_add_epi32(row[1], row[2]), row[0]);
    const __m512i right = _mm512_sub_epi32(_mm512_sub_epi32(row[1], row[2]), row[3]);
    to[0] = _mm512_srai_epi32(_mm512_add_epi32(left, _mm512_loadu_si512(starts)), 2);
    to[1] = _mm512_srai_epi32(_mm512_add_epi32(right, _mm512_loadu_si512(starts + start_stride)), 2);
  };
  FourSums four;
  both(upper, start, four.value[0]);
  both(lower, start + 2 * start_stride, four.value[1]);
  return four;
}

// Outputs of a row of a tile, one or two.
template <size_t vectors>
QC_UNROLLED inline void store_row(const IntegerResults& results, size_t position, bool has_right,
                                  const Sums<2, vectors>& sum) {
  if (results.is_float || !results.is_small || !has_right) {
    alignas(64) int32_t sums[2 * vectors * kLanes];
    unroll<0, 2 * vectors>([&](auto i) QC_UNROLLED {
      _mm512_store_si512(sums + i.value * kLanes, sum[i.value / vectors][i.value % vectors]);
    });
    return store_any(results, position, has_right ? 2 : 1, vectors, sums);
  }
  const Epilogue epilogue = epilogue_at<vectors>(results, position);
  if (results.residual != nullptr) return store_codes<2, vectors, true>(epilogue, sum);
  store_codes<2, vectors, false>(epilogue, sum);
}

// From the sums of a tile's positions to its outputs.
template <size_t vectors>
__attribute__((noinline)) void finish_tile(const int32_t* sums, size_t stride, const int32_t* start,
                                           const IntegerResults& results, const WinogradPlace& place,
                                           size_t y_columns) {
  Sums<2, vectors> upper, lower;
  unroll<0, vectors>([&](auto v) QC_UNROLLED {
    const FourSums four =
        finish_sums(sums + v.value * kLanes, stride, start + v.value * kLanes, vectors * kLanes);
    upper[0][v.value] = four.value[0][0], upper[1][v.value] = four.value[0][1];
    lower[0][v.value] = four.value[1][0], lower[1][v.value] = four.value[1][1];
  });
  store_row<vectors>(results, place.position, place.has_right, upper);
  if (place.has_below) store_row<vectors>(results, place.position + y_columns, place.has_right, lower);
}

using strip_fn = void (*)(const int8_t* weights, const WinogradTiles& tiles, size_t first,
                          const int32_t* start, const IntegerResults& results, Ahead& ahead);

// Tiles [first, + rows): their sums of all positions stay in the first-level cache.
template <size_t rows, size_t vectors>
void multiply_strip(const int8_t* weights, const WinogradTiles& tiles, size_t first, const int32_t* start,
                    const IntegerResults& results, Ahead& ahead) {
  constexpr size_t kStride = rows * vectors * kLanes;
  alignas(64) int32_t sums[kWinogradPositions * kStride];
  const uint8_t* x = tiles.x + first * tiles.channels;
  const size_t stride = winograd_weights_stride(tiles.channels, vectors);
  Ahead fetched = ahead;  // in registers
  for (size_t p = 0; p < kWinogradPositions; ++p, x += tiles.position_stride, weights += stride) {
    Sums<rows, vectors> sum;
    unroll<0, rows * vectors>(
        [&](auto i) QC_UNROLLED { sum[i.value / vectors][i.value % vectors] = _mm512_setzero_si512(); });
    add_run<rows, vectors>(x, tiles.channels, tiles.channels, weights, sum, fetched);
    unroll<0, rows * vectors>([&](auto i) QC_UNROLLED {
      _mm512_store_si512(sums + p * kStride + i.value * kLanes, sum[i.value / vectors][i.value % vectors]);
    });
  }
  ahead = fetched;
  for (size_t r = 0; r < rows; ++r)
    finish_tile<vectors>(sums + r * vectors * kLanes, kStride, start, results, tiles.places[first + r],
                         tiles.y_columns);
}

template <size_t vectors, size_t... index>
struct Strips {
  static constexpr strip_fn kByRows[] = {multiply_strip<index + 1, vectors>...};
};
template <size_t vectors>
strip_fn strip_of(size_t rows);
template <>
strip_fn strip_of<1>(size_t rows) {
  return Strips<1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>::kByRows[rows - 1];
}
template <>
strip_fn strip_of<2>(size_t rows) {
  return Strips<2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13>::kByRows[rows - 1];
}
template <>
strip_fn strip_of<3>(size_t rows) {
  return Strips<3, 0, 1, 2, 3, 4, 5, 6, 7, 8>::kByRows[rows - 1];
}
template <>
strip_fn strip_of<4>(size_t rows) {
  return Strips<4, 0, 1, 2, 3, 4, 5, 6>::kByRows[rows - 1];
}

template <size_t vectors>
void multiply(const int8_t* weights, const WinogradTiles& tiles, const int32_t* start,
              const IntegerResults& results) {
  constexpr size_t kMost = kMostRows[vectors - 1];
  const size_t strips = (tiles.count + kMost - 1) / kMost;
  Ahead ahead(tiles.ahead, weights, strips * kWinogradPositions * tiles.channels / kStepBytes);
  for (size_t strip = 0, first = 0; strip < strips; ++strip) {
    const size_t count = (tiles.count - first) / (strips - strip);
    strip_of<vectors>(count)(weights, tiles, first, start, results, ahead);
    first += count;
  }
}

}  // namespace

void integer_winograd_avx512_vnni(const int8_t* weights, size_t vectors, const WinogradTiles& tiles,
                                  const int32_t* start, const IntegerResults& results) {
  if (vectors == 1) return multiply<1>(weights, tiles, start, results);
  if (vectors == 2) return multiply<2>(weights, tiles, start, results);
  if (vectors == 3) return multiply<3>(weights, tiles, start, results);
  multiply<4>(weights, tiles, start, results);
}

}  // namespace qc
