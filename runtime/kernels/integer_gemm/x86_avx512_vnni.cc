// Lanes are outputs; x is broadcast, four bytes at a time. A tile of rows x vectors sums stays in registers.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/integer_gemm/integer_gemm.h"
#include "kernels/integer_gemm/x86_avx512_vnni_dots.h"
#include "kernels/integer_gemm/x86_avx512_vnni_results.h"

namespace qc {
namespace {

constexpr size_t kBytes = 64;     // of weights in a register: 16 outputs x 4 columns
constexpr size_t kStepBytes = 4;  // of x
constexpr size_t kMaxVectors = 4;

// The most rows whose sums leave room for weights and x among the 32 registers.
constexpr size_t kMostRows[] = {16, 14, 9, 7};

// One step: four columns. The last of four vectors of weights is read where it is used: with 28 sums there
// is no register for it. `x[j]` is row 3 j: three rows share a pointer.
template <size_t rows, size_t vectors, size_t offset>
QC_UNROLLED inline void add_step(const uint8_t* const* x, size_t stride, const int8_t* weights,
                                 Sums<rows, vectors>& sum) {
  constexpr size_t held = vectors == kMaxVectors ? 3 : vectors;
  __m512i w[held];
  unroll<0, held>([&](auto v) QC_UNROLLED { w[v.value] = _mm512_load_si512(weights + v.value * kBytes); });
  unroll<0, rows>([&](auto r) QC_UNROLLED {
    const __m512i four = broadcast(x[r.value / 3] + r.value % 3 * stride + offset);
    unroll<0, held>([&](auto v) QC_UNROLLED { add_dots(sum[r.value][v.value], four, w[v.value]); });
    if constexpr (held < vectors) add_dots_from(sum[r.value][held], four, weights + held * kBytes);
  });
}

template <size_t rows, size_t vectors>
QC_UNROLLED inline const int8_t* add_run(const uint8_t* x, size_t stride, size_t bytes, const int8_t* weights,
                                         Sums<rows, vectors>& sum) {
  constexpr size_t kPointers = (rows + 2) / 3;
  const uint8_t* pointers[kPointers];
  unroll<0, kPointers>([&](auto j) QC_UNROLLED { pointers[j.value] = x + 3 * j.value * stride; });
  for (size_t done = 0; done < bytes; done += kStepBytes) {
    add_step<rows, vectors, 0>(pointers, stride, weights, sum);
    weights += vectors * kBytes;
    unroll<0, kPointers>([&](auto j) QC_UNROLLED { pointers[j.value] += kStepBytes; });
  }
  return weights;
}

using tile_fn = void (*)(const int8_t* panel, const IntegerRows& rows, const IntegerResults& results,
                         size_t first);

// The results of positions [first, + rows).
template <size_t rows, size_t vectors>
void multiply_tile(const int8_t* panel, const IntegerRows& source, const IntegerResults& results,
                   size_t first) {
  Sums<rows, vectors> sum;
  unroll<0, rows * vectors>([&](auto i) QC_UNROLLED {
    constexpr size_t v = i.value % vectors;
    sum[i.value / vectors][v] = _mm512_loadu_si512(results.start + v * kLanes);
  });
  const uint8_t* const x = source.x + first * source.position_stride;
  for (size_t u = 0; u < source.runs; ++u)
    panel =
        add_run<rows, vectors>(x + source.offsets[u], source.position_stride, source.run_bytes, panel, sum);
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
  for (size_t tile = 0, first = 0; tile < tiles; ++tile) {
    const size_t count = (rows.positions - first) / (tiles - tile);
    tile_of<vectors>(count)(panel, rows, results, first);
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
