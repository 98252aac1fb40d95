#include "compute/rows.h"

#include <algorithm>

#include "base/scratch.h"

namespace qc {
namespace {

constexpr size_t kTaskFloats = size_t{1} << 15;  // a few microseconds: worth handing to a thread

// Calls run(begin, count) for all of `rows`.
template <typename Run>
void for_rows(size_t rows, size_t columns, const Parallel& parallel, const Run& run) {
  if (rows == 0 || columns == 0) return;
  const size_t at_once = std::max<size_t>(1, kTaskFloats / columns);
  parallel(rows / at_once + (rows % at_once != 0), [&](size_t task) {
    const size_t begin = task * at_once;
    run(begin, std::min(at_once, rows - begin));
  });
}

}  // namespace

void normalize_rows(const NormalizeRows& kernel, const RowsToNormalize& shape, const float* x, uint8_t* y,
                    const Parallel& parallel) {
  for_rows(shape.rows, shape.columns, parallel, [&](size_t begin, size_t count) {
    RowsToNormalize some = shape;
    some.rows = count;
    kernel.run(some, x + begin * shape.columns, y + begin * shape.columns);
  });
}

void softmax_rows(const SoftmaxRows& kernel, const RowsOfSoftmax& shape, const float* x, uint8_t* y,
                  const Parallel& parallel) {
  for_rows(shape.rows, shape.columns, parallel, [&](size_t begin, size_t count) {
    const Scratch units(kRowsAtOnce * shape.columns * sizeof(int32_t) / sizeof(float));
    RowsOfSoftmax some = shape;
    some.rows = count;
    kernel.run(some, x + begin * shape.columns, y + begin * shape.columns,
               reinterpret_cast<int32_t*>(units.data()));
  });
}

}  // namespace qc
