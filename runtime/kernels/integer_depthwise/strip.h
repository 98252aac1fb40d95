// The loops of integer_depthwise for vectors of any width; a file of helpers for one of them includes it.
// Lanes say how channels lie in vectors, a Dot how they are multiplied: it has types Codes and Weights, made
// of dwords of four taps of one channel each, and
//   add(sums, codes, weights)      sums + the products of the four taps of each dword, exact
//   begin(start), end(sums, start)  what sums begin as, and what they are in the end: dwords from `start` on
#pragma once

#include "kernels/integer_depthwise/integer_depthwise.h"

namespace qc {
namespace {

template <class Lanes>
class DepthwiseResults;

// Some channels of all outputs, for a kernel of 3 x 3 or 5 x 5 whose columns meet neighbours. Three or four
// rows of a column of x go into one dword, interleaved once for all outputs of a run. A fifth row goes into
// dwords of four neighbours: one takes four of its taps, the one of the next output the last tap.
template <class Dot, class Lanes, size_t kernel, size_t stride>
class Strip {
 public:
  Strip(const IntegerDepthwiseBlock& block, const IntegerDepthwiseOutput& output, size_t channel,
        const Lanes& lanes)
      : block_(block), channel_(channel), lanes_(lanes), results_(output, channel, lanes) {
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
  using Integers = typename Lanes::Integers;
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
    Integers dwords[kVectors];
    lanes_.template interleave<taps>(at, dwords);
    const auto shift = static_cast<unsigned>(8 * byte);
    for (size_t q = 0; q < kVectors; ++q) weights[q] = Dot::weights(Lanes::shifted(dwords[q], shift));
  }

  // Sums start with minus the zero point times all weights.
  void sum_zero_points() {
    const auto zero_point = Dot::codes(Lanes::all_bytes(block_.zero_point));
    for (size_t q = 0; q < kVectors; ++q) {
      Integers sum = Dot::begin(Integers{});
      for (size_t i = 0; i < kWeights; ++i) sum = Dot::add(sum, zero_point, weights_[i][q]);
      start_[q] = Lanes::negative(Dot::end(sum, Integers{}));
    }
  }

  // A run of outputs of row `row` from `first` on.
  template <size_t outputs>
  void convolve(size_t row, size_t first) const {
    Integers sums[outputs][kVectors];
    for (size_t j = 0; j < outputs; ++j)
      for (size_t q = 0; q < kVectors; ++q) sums[j][q] = Dot::begin(start_[q]);
    const uint8_t* const* const x = block_.x + row * block_.row_step * block_.pitch + first * stride;
    add_columns<outputs>(x, sums);
    if constexpr (kHasLastRow) add_last_row<outputs>(x + 4 * block_.row_tap_step * block_.pitch, sums);
    const size_t place = (row * block_.columns + first) * block_.channels + channel_;
    for (size_t j = 0; j < outputs; ++j) {
      for (size_t q = 0; q < kVectors; ++q) sums[j][q] = Dot::end(sums[j][q], start_[q]);
      results_.store(sums[j], place + j * block_.channels);
    }
  }

  template <size_t outputs>
  void add_columns(const uint8_t* const* x, Integers (&sums)[outputs][kVectors]) const {
#pragma GCC unroll 16
    for (size_t column = 0; column < (outputs - 1) * stride + kernel; ++column, ++x) {
      Integers dwords[kVectors];
      gather<kRows>(x, block_.row_tap_step * block_.pitch, dwords);
#pragma GCC unroll 4
      for (size_t j = 0; j < outputs; ++j)
        if (j * stride <= column && column < j * stride + kernel)
          add(dwords, weights_[column - j * stride], sums[j]);
    }
  }

  // Beyond the last output nothing but its last tap may be read.
  template <size_t outputs>
  void add_last_row(const uint8_t* const* x, Integers (&sums)[outputs][kVectors]) const {
#pragma GCC unroll 8
    for (size_t j = 0; j <= outputs; ++j, x += stride) {
      Integers dwords[kVectors];
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
  void gather(const uint8_t* const* x, size_t step, Integers (&dwords)[kVectors]) const {
    const uint8_t* at[4] = {};
    for (size_t i = 0; i < count; ++i) at[i] = x[i * step] + channel_;
    lanes_.template interleave<count>(at, dwords);
  }

  static void add(const Integers (&dwords)[kVectors], const typename Dot::Weights (&weights)[kVectors],
                  Integers (&sums)[kVectors]) {
    for (size_t q = 0; q < kVectors; ++q) sums[q] = Dot::add(sums[q], Dot::codes(dwords[q]), weights[q]);
  }

  const IntegerDepthwiseBlock block_;
  const size_t channel_;
  const Lanes lanes_;
  const DepthwiseResults<Lanes> results_;
  typename Dot::Weights weights_[kWeights][kVectors];  // of columns; of the last row
  Integers start_[kVectors];
};

}  // namespace
}  // namespace qc
