#include "kernels/pack_codes/pack_codes.h"

namespace qc {

void pack_codes_scalar(const CodesToPack& source, int8_t* panel, int32_t* sums) {
  const size_t vectors = (source.outputs + 15) / 16, steps = (source.columns + 3) / 4;
  for (size_t i = 0; i < 16 * vectors; ++i) {
    sums[i] = 0;
    for (size_t j = 0; j < 4 * steps; ++j) {
      const bool present = i < source.outputs && j < source.columns;
      const int code = present ? source.codes[i * source.output_stride + j * source.column_stride] - 128 : 0;
      panel[(j / 4 * vectors + i / 16) * 64 + i % 16 * 4 + j % 4] = static_cast<int8_t>(code);
      sums[i] += code;
    }
  }
}

}  // namespace qc
