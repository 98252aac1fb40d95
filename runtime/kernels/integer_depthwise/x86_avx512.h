// integer_depthwise for any way to multiply, for files compiled for AVX-512 only. A Dot has types Codes and
// Weights, made of dwords of four taps of one channel each, and
//   add(sums, codes, weights)      sums + the products of the four taps of each dword, exact
#pragma once

#include "kernels/integer_depthwise/lanes_avx512.h"
#include "kernels/integer_depthwise/loops.h"

namespace qc {
namespace {

// Some channels of all outputs, for a kernel of 3 x 3 or 5 x 5 whose columns meet neighbours. Three or four
// rows of a column of x go into one dword, interleaved once for all outputs of a run. A fifth row goes into
// dwords of four neighbours: one takes four of its taps, the one of the next output the last tap.
template <class Dot, class Lanes, size_t kernel, size_t stride>
class Strip {
 public:
  Strip(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output, size_t channel,
        size_t channels)
      : block_(block), channel_(channel), lanes_(channels), results_(output, channel, lanes_) {
    for (size_t v = 0; v < kernel; ++v) load_weights<kRows>(v, block.channels * kernel, 0, weights_[v]);
    if constexpr (kHasLastRow) {
      load_weights<4>(4 * kernel, block.channels, 0, weights_[kernel]);
      load_weights<1>(4 * kernel + 4, 0, 4 - stride, weights_[kernel + 1]);
    }
    sum_zero_points();
  }

  // The last run overlaps the one before it where they are no whole number.
  void run() const {
    constexpr size_t kRun = Lanes::kRun;
    const size_t columns = block_.columns;
    for (size_t r = 0; r < block_.rows; ++r) {
      if (columns < kRun) {
        for (size_t j = 0; j < columns; ++j) convolve<1>(r, j);
        continue;
      }
      for (size_t j = 0; j < columns; j += kRun) convolve<kRun>(r, j + kRun <= columns ? j : columns - kRun);
    }
  }

 private:
  static_assert((kernel == 3 || kernel == 5) && (stride == 1 || stride == 2));
  static constexpr size_t kVectors = Lanes::kVectors;
  static constexpr bool kHasLastRow = kernel == 5;
  static constexpr size_t kRows = kHasLastRow ? 4 : 3;
  static constexpr size_t kWeights = kernel + (kHasLastRow ? 2 : 0);

  // The weights of `taps` taps from `first` on, `step` bytes apart; the first one is byte `byte` of its
  // dword.
  template <size_t taps>
  void load_weights(size_t first, size_t step, int byte, typename Dot::Weights (&weights)[kVectors]) {
    const uint8_t* at[4] = {};
    for (size_t i = 0; i < taps; ++i)
      at[i] =
          reinterpret_cast<const uint8_t*>(block_.weights) + first * block_.channels + i * step + channel_;
    __m512i dwords[kVectors];
    lanes_.template interleave<taps>(at, dwords);
    const auto shift = static_cast<unsigned>(8 * byte);
    for (size_t q = 0; q < kVectors; ++q) weights[q] = Dot::weights(_mm512_slli_epi32(dwords[q], shift));
  }

  // Sums start with minus the zero point times all weights.
  void sum_zero_points() {
    const auto zero_point = Dot::codes(_mm512_set1_epi8(static_cast<char>(block_.zero_point)));
    for (size_t q = 0; q < kVectors; ++q) {
      __m512i sum = _mm512_setzero_si512();
      for (size_t i = 0; i < kWeights; ++i) sum = Dot::add(sum, zero_point, weights_[i][q]);
      start_[q] = _mm512_sub_epi32(_mm512_setzero_si512(), sum);
    }
  }

  // A run of outputs of row `row` from `first` on.
  template <size_t outputs>
  void convolve(size_t row, size_t first) const {
    __m512i sums[outputs][kVectors];
    for (size_t j = 0; j < outputs; ++j)
      for (size_t q = 0; q < kVectors; ++q) sums[j][q] = start_[q];
    const uint8_t* const* const x = block_.x + row * block_.row_step * block_.pitch + first * stride;
    add_columns<outputs>(x, sums);
    if constexpr (kHasLastRow) add_last_row<outputs>(x + 4 * block_.row_tap_step * block_.pitch, sums);
    const size_t place = (row * block_.columns + first) * block_.channels + channel_;
    for (size_t j = 0; j < outputs; ++j) results_.store(sums[j], place + j * block_.channels);
  }

  template <size_t outputs>
  void add_columns(const uint8_t* const* x, __m512i (&sums)[outputs][kVectors]) const {
#pragma GCC unroll 16
    for (size_t column = 0; column < (outputs - 1) * stride + kernel; ++column, ++x) {
      __m512i dwords[kVectors];
      gather<kRows>(x, block_.row_tap_step * block_.pitch, dwords);
#pragma GCC unroll 4
      for (size_t j = 0; j < outputs; ++j)
        if (j * stride <= column && column < j * stride + kernel)
          add(dwords, weights_[column - j * stride], sums[j]);
    }
  }

  // Beyond the last output nothing but its last tap may be read.
  template <size_t outputs>
  void add_last_row(const uint8_t* const* x, __m512i (&sums)[outputs][kVectors]) const {
#pragma GCC unroll 8
    for (size_t j = 0; j <= outputs; ++j, x += stride) {
      __m512i dwords[kVectors];
      if (j < outputs) {
        gather<4>(x, 1, dwords);
        add(dwords, weights_[kernel], sums[j]);
      } else {
        gather<5 - stride>(x, 1, dwords);
      }
      if (j > 0) add(dwords, weights_[kernel + 1], sums[j - 1]);
    }
  }

  // The codes at `count` entries of the table, `step` apart.
  template <size_t count>
  void gather(const uint8_t* const* x, size_t step, __m512i (&dwords)[kVectors]) const {
    const uint8_t* at[4] = {};
    for (size_t i = 0; i < count; ++i) at[i] = x[i * step] + channel_;
    lanes_.template interleave<count>(at, dwords);
  }

  static void add(const __m512i (&dwords)[kVectors], const typename Dot::Weights (&weights)[kVectors],
                  __m512i (&sums)[kVectors]) {
    for (size_t q = 0; q < kVectors; ++q) sums[q] = Dot::add(sums[q], Dot::codes(dwords[q]), weights[q]);
  }

  const IntegerDepthwiseBlock block_;
  const size_t channel_;
  const Lanes lanes_;
  const DepthwiseResults<Lanes> results_;
  typename Dot::Weights weights_[kWeights][kVectors];  // of columns; of the last row
  __m512i start_[kVectors];
};

template <class Dot, size_t kernel, size_t stride>
void convolve_strips(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output) {
  size_t c = 0;
  for (; c + 64 <= block.channels; c += 64) Strip<Dot, Wide, kernel, stride>(block, output, c, 64).run();
  for (; c + 32 <= block.channels; c += 32) Strip<Dot, Half, kernel, stride>(block, output, c, 32).run();
  for (; c + 16 <= block.channels; c += 16)
    Strip<Dot, Narrow<true>, kernel, stride>(block, output, c, 16).run();
  if (c < block.channels)
    Strip<Dot, Narrow<false>, kernel, stride>(block, output, c, block.channels - c).run();
}

// Any kernel, 16 channels of one output. The upper word of a code's dword is zero: so a product of pairs of
// words is the product of the lower ones, exact.
inline __m512i sums_of(const IntegerDepthwiseBlock& b, size_t row, size_t column, size_t channel,
                       __mmask16 lanes) {
  __m512i sum = _mm512_setzero_si512(), weights = sum;
  const int8_t* weight = b.weights + channel;
  for (size_t u = 0; u < b.kernel_rows; ++u) {
    const uint8_t* const* x =
        b.x + (row * b.row_step + u * b.row_tap_step) * b.pitch + column * b.column_step;
    for (size_t v = 0; v < b.kernel_columns; ++v, weight += b.channels, x += b.column_tap_step) {
      const __m512i w = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes, weight));
      const __m512i codes = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, *x + channel));
      sum = _mm512_add_epi32(sum, _mm512_madd_epi16(codes, w));
      weights = _mm512_add_epi32(weights, w);
    }
  }
  return _mm512_sub_epi32(sum, _mm512_mullo_epi32(weights, _mm512_set1_epi32(b.zero_point)));
}

inline void convolve_any(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output) {
  constexpr size_t kChannels = 16;
  for (size_t c = 0; c < block.channels; c += kChannels) {
    const size_t left = block.channels - c;
    const Narrow<false> lanes(left < kChannels ? left : kChannels);
    const DepthwiseResults<Narrow<false>> results(output, c, lanes);
    for (size_t r = 0; r < block.rows; ++r)
      for (size_t j = 0; j < block.columns; ++j) {
        const __m512i sums[1] = {sums_of(block, r, j, c, lanes.lanes)};
        results.store(sums, (r * block.columns + j) * block.channels + c);
      }
  }
}

template <class Dot>
void convolve_depthwise_by(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output) {
  if (block.multiplier != 1) return depthwise_loops(block, output, 0, block.channels);
  const size_t kernel = block.kernel_rows == block.kernel_columns ? block.kernel_rows : 0;
  const size_t stride = block.column_tap_step == 1 ? block.column_step : 0;
  if (kernel == 3 && stride == 1) return convolve_strips<Dot, 3, 1>(block, output);
  if (kernel == 3 && stride == 2) return convolve_strips<Dot, 3, 2>(block, output);
  if (kernel == 5 && stride == 1) return convolve_strips<Dot, 5, 1>(block, output);
  if (kernel == 5 && stride == 2) return convolve_strips<Dot, 5, 2>(block, output);
  convolve_any(block, output);
}

}  // namespace
}  // namespace qc
