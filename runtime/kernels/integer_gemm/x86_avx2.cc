#include "kernels/integer_gemm/x86_avx2_tiles.h"

namespace qc {
namespace {

// Products of bytes as those of 16-bit numbers: their sums by two are exact, where vpmaddubsw would saturate.
// Even and odd columns apart.
struct WideDots : StepByStep<WideDots> {
  static constexpr size_t kRows = 4;
  struct Weights {
    __m256i even, odd;
    explicit Weights(const int8_t* panel) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel));
      even = _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8);
      odd = _mm256_srai_epi16(bytes, 8);
    }
  };
  struct X {
    __m256i even, odd;
    explicit X(const uint8_t* x) {
      int32_t four;
      __builtin_memcpy(&four, x, sizeof(four));
      const __m256i bytes = _mm256_set1_epi32(four);
      even = _mm256_and_si256(bytes, _mm256_set1_epi16(0xff));
      odd = _mm256_srli_epi16(bytes, 8);
    }
  };
  static __m256i add(__m256i sum, const X& x, const Weights& w) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x.even, w.even));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x.odd, w.odd));
  }
};

// Sums of pairs stay in 16 bits for as many steps as the rows allow: half the work of 16-bit products.
struct ShortDots {
  static constexpr size_t kRows = 5;

  template <size_t rows>
  static inline const int8_t* add_run(const uint8_t* x, const IntegerRows& source, const int8_t* panel,
                                      size_t panel_step, __m256i* low, __m256i* high) {
    for (size_t done = 0; done < source.run_bytes;) {
      const size_t left = (source.run_bytes - done) / kStepBytes;
      const size_t steps = left < source.short_steps ? left : source.short_steps;
      add_steps<rows>(x + done, source.position_stride, panel, panel_step, steps, low, high);
      panel += steps * panel_step;
      done += steps * kStepBytes;
    }
    return panel;
  }

 private:
  template <size_t rows>
  static inline void add_steps(const uint8_t* x, size_t stride, const int8_t* panel, size_t panel_step,
                               size_t steps, __m256i* low, __m256i* high) {
    __m256i left[rows], right[rows];
    for (size_t r = 0; r < rows; ++r) left[r] = right[r] = _mm256_setzero_si256();
    for (const int8_t* const end = panel + steps * panel_step; panel < end; panel += panel_step) {
      const __m256i weights = load(panel), others = load(panel + kHalfBytes);
#pragma GCC unroll 8
      for (size_t r = 0; r < rows; ++r) {
        int32_t columns;
        __builtin_memcpy(&columns, x + r * stride, sizeof(columns));
        const __m256i four = _mm256_set1_epi32(columns);
        add_pairs(left[r], four, weights);
        add_pairs(right[r], four, others);
      }
      x += kStepBytes;
    }
    const __m256i ones = _mm256_set1_epi16(1);
    for (size_t r = 0; r < rows; ++r) {
      low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(left[r], ones));
      high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(right[r], ones));
    }
  }

  // sums += products of two columns. Not the intrinsics: of those the compiler makes all products first, and
  // then has no registers for the sums.
  static inline void add_pairs(__m256i& sums, __m256i x, __m256i w) {
    __m256i pairs;
    __asm__("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(sums), "=&x"(pairs) : "x"(x), "x"(w));
  }

  static inline __m256i load(const int8_t* weights) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
  }
};

}  // namespace

void integer_gemm_avx2(const int8_t* panel, size_t vectors, const IntegerRows& rows,
                       const IntegerResults& results) {
  if (rows.short_steps > 0) return multiply_panel<ShortDots>(panel, vectors, rows, results);
  multiply_panel<WideDots>(panel, vectors, rows, results);
}

}  // namespace qc
