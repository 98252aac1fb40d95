// What becomes of the sums of a row: what all kernels share.
#pragma once

#include "kernels/codes/scalar.h"
#include "kernels/normalize_rows/normalize_rows.h"

namespace qc {

constexpr uint32_t kBitsOfInfinity = 0x7f800000;  // those of NaN, without its sign, are larger

static inline float units_of(float largest) {
  constexpr float kSmallest = 7.888609052210118e-31f;  // 2^-100
  return 524288.0f / (largest > kSmallest ? largest : kSmallest);
}

struct RowMoments {
  float center, gain;
};

static inline RowMoments moments_of(const RowsToNormalize& shape, float units, int64_t total,
                                    int64_t squares) {
  const auto count = static_cast<double>(shape.columns), wide_units = static_cast<double>(units);
  const double mean = static_cast<double>(total) / count, square = static_cast<double>(squares) / count;
  const double variance = square - mean * mean;
  const double deviation =
      __builtin_sqrt((variance > 0 ? variance : 0) + shape.epsilon * (wide_units * wide_units));
  return {static_cast<float>(mean), static_cast<float>(1.0 / deviation)};
}

}  // namespace qc
