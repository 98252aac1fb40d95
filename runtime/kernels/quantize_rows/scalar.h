// The step and the zero point of a row: what all kernels share.
#pragma once

#include "kernels/codes/scalar.h"
#include "kernels/quantize_rows/quantize_rows.h"

namespace qc {

// `low` is at most 0 and `high` at least 0; whatever they are where the row is not finite.
static inline CodedRow coded_row(float low, float high, bool is_finite, uint8_t most) {
  const float step = (high - low) / static_cast<float>(most);
  if (!is_finite || step > 3.402823466e+38f) return {__builtin_nanf(""), 0};
  if (!(step > 0)) return {0, 0};
  return {step, code_of(-low / step, 0, most)};
}

static inline bool has_codes(const CodedRow& row) { return row.step > 0; }

}  // namespace qc
