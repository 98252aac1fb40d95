// Rows of bytes times a panel of weights: tiles of sums in registers, for the avx512_vnni kernels. Everything
// is static.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/integer_gemm/x86_avx512_vnni_dots.h"

namespace qc {
namespace {

constexpr size_t kBytes = 64;     // of weights in a register: 16 outputs x 4 columns
constexpr size_t kStepBytes = 4;  // of x
constexpr size_t kMaxVectors = 4;

// The most rows whose sums leave room for weights and x among the 32 registers.
constexpr size_t kMostRows[] = {16, 14, 9, 7};

// What is fetched into the second-level cache meanwhile, `step` bytes on with each step: many lines asked for
// at once would keep the products waiting.
struct Ahead {
  const uint8_t* at;
  size_t step;

  // `steps` for all of the bytes. Where there are none, it is bytes of the panel: they are there anyhow.
  Ahead(const BytesAhead& bytes, const int8_t* panel, size_t steps)
      : at(bytes.count == 0 ? reinterpret_cast<const uint8_t*>(panel) : bytes.first),
        step(bytes.count == 0 || steps == 0 ? 0 : (bytes.count + steps - 1) / steps) {}

  // Never faults: the last address may lie beyond the bytes.
  QC_UNROLLED inline void fetch() {
    _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T1);
    at += step;
  }
};

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

// Where reading is what products wait for: one or two vectors.
struct NothingAhead {
  QC_UNROLLED inline void fetch() {}
};

template <size_t rows, size_t vectors, typename Fetched>
QC_UNROLLED inline const int8_t* add_run(const uint8_t* x, size_t stride, size_t bytes, const int8_t* weights,
                                         Sums<rows, vectors>& sum, Fetched& ahead) {
  constexpr size_t kPointers = (rows + 2) / 3;
  const uint8_t* pointers[kPointers];
  unroll<0, kPointers>([&](auto j) QC_UNROLLED { pointers[j.value] = x + 3 * j.value * stride; });
  for (size_t done = 0; done < bytes; done += kStepBytes) {
    ahead.fetch();
    add_step<rows, vectors, 0>(pointers, stride, weights, sum);
    weights += vectors * kBytes;
    unroll<0, kPointers>([&](auto j) QC_UNROLLED { pointers[j.value] += kStepBytes; });
  }
  return weights;
}

// Whether the bytes of a run are three rows that follow each other: those of a kernel of three columns.
inline bool has_shared_rows(size_t stride, size_t bytes) {
  return bytes == 3 * stride && stride % kStepBytes == 0;
}

// As add_run for one vector of such runs: what is row r is also the middle of the row before it and the end
// of the one before that, so four bytes are read once for three products. Reading is what one vector waits
// for.
template <size_t rows>
QC_UNROLLED inline const int8_t* add_shared_run(const uint8_t* x, size_t stride, const int8_t* weights,
                                                Sums<rows, 1>& sum) {
  constexpr size_t kTaps = 3, kPointers = (rows + kTaps - 1 + 2) / 3;
  const uint8_t* pointers[kPointers];
  unroll<0, kPointers>([&](auto j) QC_UNROLLED { pointers[j.value] = x + 3 * j.value * stride; });
  const size_t tap_bytes = stride / kStepBytes * kBytes;
  for (size_t done = 0; done < stride; done += kStepBytes, weights += kBytes) {
    const __m512i w[kTaps] = {_mm512_load_si512(weights), _mm512_load_si512(weights + tap_bytes),
                              _mm512_load_si512(weights + 2 * tap_bytes)};
    unroll<0, rows + kTaps - 1>([&](auto i) QC_UNROLLED {
      const __m512i four = broadcast(pointers[i.value / 3] + i.value % 3 * stride);
      unroll<0, kTaps>([&](auto tap) QC_UNROLLED {
        if constexpr (i.value >= tap.value && i.value - tap.value < rows)
          add_dots(sum[i.value - tap.value][0], four, w[tap.value]);
      });
    });
    unroll<0, kPointers>([&](auto j) QC_UNROLLED { pointers[j.value] += kStepBytes; });
  }
  return weights + 2 * tap_bytes;
}

}  // namespace
}  // namespace qc
