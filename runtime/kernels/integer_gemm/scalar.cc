#include "kernels/integer_gemm/scalar.h"

namespace qc {

void integer_gemm_scalar(const int8_t* panel, size_t vectors, const IntegerRows& rows,
                         const IntegerResults& results) {
  for (size_t p = 0; p < rows.positions; ++p) {
    for (size_t i = 0; i < results.outputs; ++i) {
      int32_t sum = results.start[i] + (rows.position_start == nullptr ? 0 : rows.position_start[p]);
      for (size_t u = 0; u < rows.runs; ++u) {
        const uint8_t* const x = rows.x + p * rows.position_stride + rows.offsets[u];
        for (size_t j = 0; j < rows.run_bytes; ++j)
          sum += x[j] * weight_in_panel(panel, vectors, i, u * rows.run_bytes + j);
      }
      store_result(results, p, i, sum);
    }
  }
}

}  // namespace qc
