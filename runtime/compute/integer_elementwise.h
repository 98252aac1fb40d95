// Large tensors of codes, cut into tasks; what is small is one task. Knows no onnxruntime.
#pragma once

#include <cstddef>
#include <cstdint>

#include "compute/parallel.h"
#include "kernels/integer_add/dispatch.h"
#include "kernels/integer_average/dispatch.h"
#include "kernels/integer_table/dispatch.h"
#include "kernels/quantize_input/dispatch.h"

namespace qc {

// y[count] of a[count] and b[count]: see the kernel.
void add_codes(const IntegerAdd& kernel, const CodesToAdd& sum, size_t count, const uint8_t* a,
               const uint8_t* b, uint8_t* y, const Parallel& parallel);

// y[count] of x[count]: see the kernel.
void look_up(const IntegerTable& kernel, size_t count, const uint8_t* table, const uint8_t* x, uint8_t* y,
             const Parallel& parallel);

// y [images, channels] from x [images, positions, channels].
void average_images(const IntegerAverage& kernel, const ImageToAverage& image, size_t images,
                    const uint8_t* x, uint8_t* y, const Parallel& parallel);

// y [images, positions, channels] from x [images, channels, positions]; image.pitch is its positions.
void quantize_images(const QuantizeInput& kernel, const ImageToQuantize& image, size_t images, const float* x,
                     uint8_t* y, const Parallel& parallel);

}  // namespace qc
