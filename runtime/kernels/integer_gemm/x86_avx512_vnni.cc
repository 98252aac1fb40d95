// Lanes are outputs; x is broadcast, four bytes at a time. A tile of rows x vectors sums stays in registers.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/integer_gemm/integer_gemm.h"
#include "kernels/integer_gemm/x86_avx512_vnni_results.h"
#include "kernels/integer_gemm/x86_avx512_vnni_runs.h"

namespace qc {
namespace {

using tile_fn = void (*)(const int8_t* panel, const IntegerRows& rows, const IntegerResults& results,
                         size_t first, Ahead& ahead);

// The products of positions [first, + rows).
template <size_t rows, size_t vectors>
QC_UNROLLED inline void add_runs(const int8_t* panel, const IntegerRows& source, size_t first,
                                 Sums<rows, vectors>& sum, Ahead& ahead) {
  const size_t stride = source.position_stride;
  const uint8_t* const x = source.x + first * stride;
  if constexpr (vectors == 1) {
    if (has_shared_rows(stride, source.run_bytes)) {
      for (size_t u = 0; u < source.runs; ++u)
        panel = add_shared_run<rows>(x + source.offsets[u], stride, panel, sum);
      return;
    }
  }
  if constexpr (vectors < 3) {
    NothingAhead nothing;
    for (size_t u = 0; u < source.runs; ++u)
      panel = add_run<rows, vectors>(x + source.offsets[u], stride, source.run_bytes, panel, sum, nothing);
  } else {
    Ahead fetched = ahead;  // in registers
    for (size_t u = 0; u < source.runs; ++u)
      panel = add_run<rows, vectors>(x + source.offsets[u], stride, source.run_bytes, panel, sum, fetched);
    ahead = fetched;
  }
}

// The results of positions [first, + rows).
template <size_t rows, size_t vectors>
void multiply_tile(const int8_t* panel, const IntegerRows& source, const IntegerResults& results,
                   size_t first, Ahead& ahead) {
  Sums<rows, vectors> sum;
  unroll<0, rows * vectors>([&](auto i) QC_UNROLLED {
    constexpr size_t v = i.value % vectors;
    sum[i.value / vectors][v] = _mm512_loadu_si512(results.start + v * kLanes);
  });
  if (source.position_start != nullptr) {
    unroll<0, rows * vectors>([&](auto i) QC_UNROLLED {
      __m512i& own = sum[i.value / vectors][i.value % vectors];
      own = _mm512_add_epi32(own, _mm512_set1_epi32(source.position_start[first + i.value / vectors]));
    });
  }
  add_runs<rows, vectors>(panel, source, first, sum, ahead);
  if (results.is_float && results.rows == nullptr) {
    if (results.residual != nullptr) return store_floats<rows, vectors, true>(results, first, sum);
    return store_floats<rows, vectors, false>(results, first, sum);
  }
  if (results.is_float || !results.is_small) {
    alignas(64) int32_t sums[rows * vectors * kLanes];
    unroll<0, rows * vectors>([&](auto i) QC_UNROLLED {
      _mm512_store_si512(sums + i.value * kLanes, sum[i.value / vectors][i.value % vectors]);
    });
    return store_any(results, first, rows, vectors, sums);
  }
  const Epilogue epilogue = epilogue_at<vectors>(results, first);
  if (results.residual != nullptr) return store_codes<rows, vectors, true>(epilogue, sum);
  store_codes<rows, vectors, false>(epilogue, sum);
}

template <size_t vectors, size_t... index>
struct Tiles {
  static constexpr tile_fn kByRows[] = {multiply_tile<index + 1, vectors>...};
};
template <size_t vectors>
tile_fn tile_of(size_t rows);
template <>
tile_fn tile_of<1>(size_t rows) {
  return Tiles<1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>::kByRows[rows - 1];
}
template <>
tile_fn tile_of<2>(size_t rows) {
  return Tiles<2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13>::kByRows[rows - 1];
}
template <>
tile_fn tile_of<3>(size_t rows) {
  return Tiles<3, 0, 1, 2, 3, 4, 5, 6, 7, 8>::kByRows[rows - 1];
}
template <>
tile_fn tile_of<4>(size_t rows) {
  return Tiles<4, 0, 1, 2, 3, 4, 5, 6>::kByRows[rows - 1];
}

// Tiles of about the same number of rows: a small one would wait for its own sums.
template <size_t vectors>
void multiply(const int8_t* panel, const IntegerRows& rows, const IntegerResults& results) {
  constexpr size_t kMost = kMostRows[vectors - 1];
  const size_t tiles = (rows.positions + kMost - 1) / kMost;
  Ahead ahead(rows.ahead, panel, tiles * rows.runs * rows.run_bytes / kStepBytes);
  for (size_t tile = 0, first = 0; tile < tiles; ++tile) {
    const size_t count = (rows.positions - first) / (tiles - tile);
    tile_of<vectors>(count)(panel, rows, results, first, ahead);
    first += count;
  }
}

}  // namespace

void integer_gemm_avx512_vnni(const int8_t* panel, size_t vectors, const IntegerRows& rows,
                              const IntegerResults& results) {
  if (vectors == 1) return multiply<1>(panel, rows, results);
  if (vectors == 2) return multiply<2>(panel, rows, results);
  if (vectors == 3) return multiply<3>(panel, rows, results);
  multiply<4>(panel, rows, results);
}

}  // namespace qc
