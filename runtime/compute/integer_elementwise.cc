#include "compute/integer_elementwise.h"

#include <algorithm>

namespace qc {
namespace {

constexpr size_t kTaskCodes = size_t{1} << 18;     // of one operation each: tens of microseconds
constexpr size_t kTaskElements = size_t{1} << 16;  // floats that are transposed, or codes that are averaged

size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }

// Calls run(begin, count) for all of [0, size), in tasks of `task_size`.
template <typename Run>
void in_tasks(size_t size, size_t task_size, const Parallel& parallel, const Run& run) {
  if (size == 0) return;
  parallel(divide_up(size, task_size), [&](size_t task) {
    const size_t begin = task * task_size;
    run(begin, std::min(task_size, size - begin));
  });
}

}  // namespace

void add_codes(const IntegerAdd& kernel, const CodesToAdd& sum, size_t count, const uint8_t* a,
               const uint8_t* b, uint8_t* y, const Parallel& parallel) {
  in_tasks(count, kTaskCodes, parallel,
           [&](size_t begin, size_t codes) { kernel.run(sum, codes, a + begin, b + begin, y + begin); });
}

void look_up(const IntegerTable& kernel, size_t count, const uint8_t* table, const uint8_t* x, uint8_t* y,
             const Parallel& parallel) {
  in_tasks(count, kTaskCodes, parallel,
           [&](size_t begin, size_t codes) { kernel.run(codes, table, x + begin, y + begin); });
}

void average_images(const IntegerAverage& kernel, const ImageToAverage& image, size_t images,
                    const uint8_t* x, uint8_t* y, const Parallel& parallel) {
  if (image.channels == 0) return;
  const size_t codes = image.positions * image.channels;
  const size_t task_images = std::max<size_t>(1, kTaskElements / codes);
  in_tasks(images, task_images, parallel, [&](size_t begin, size_t count) {
    for (size_t i = begin; i < begin + count; ++i) kernel.run(image, x + i * codes, y + i * image.channels);
  });
}

void quantize_images(const QuantizeInput& kernel, const ImageToQuantize& image, size_t images, const float* x,
                     uint8_t* y, const Parallel& parallel) {
  if (image.channels == 0 || image.positions == 0) return;
  const size_t elements = image.positions * image.channels;
  // Parts of an image, or whole images.
  const size_t parts = divide_up(elements, 2 * kTaskElements), part = divide_up(image.positions, parts);
  const size_t task_images = std::max<size_t>(1, kTaskElements / elements);
  in_tasks(images * parts, parts == 1 ? task_images : 1, parallel, [&](size_t begin, size_t count) {
    for (size_t i = begin; i < begin + count; ++i) {
      const size_t first = std::min(i % parts * part, image.positions);
      ImageToQuantize some = image;
      some.positions = std::min(part, image.positions - first);
      kernel.run(some, x + i / parts * elements + first, y + i / parts * elements + first * image.channels);
    }
  });
}

}  // namespace qc
