#include "kernels/integer_average/loops.h"

namespace qc {

void integer_average_scalar(const ImageToAverage& image, const uint8_t* x, uint8_t* y) {
  average_loops(image, x, y);
}

}  // namespace qc
