#include "compute/gather.h"

#include <algorithm>

#include "kernels/decode/scalar.h"

namespace qc {
namespace {

constexpr size_t kTaskElements = size_t{1} << 15;  // tens of microseconds
constexpr size_t kMostEntries = 256;

// What each index stands for in a row is computed once: the same numbers as if each element were scaled.
void decode_row(const PackedWeight& weight, size_t row, float* y) {
  const float scale = weight.scale == nullptr ? 1.0f : weight.scale[row];
  const float bias = weight.bias == nullptr ? 0.0f : weight.bias[row];
  const float* const codebook = codebook_of_row(weight.rows, row);
  float values[kMostEntries];
  for (size_t index = 0; index < size_t{1} << weight.rows.bits; ++index)
    values[index] = codebook[index] * scale + bias;
  for (size_t column = 0; column < weight.rows.columns; ++column)
    y[column] = values[index_at(weight.rows, row, column)];
}

}  // namespace

void gather_rows(const PackedWeight& weight, size_t count, const size_t* rows, float* y,
                 const Parallel& parallel) {
  if (count == 0) return;
  const size_t columns = weight.rows.columns;
  const size_t task_rows = std::max<size_t>(1, kTaskElements / columns);
  parallel(count / task_rows + (count % task_rows != 0), [&](size_t task) {
    const size_t begin = task * task_rows, end = begin + std::min(task_rows, count - begin);
    for (size_t i = begin; i < end; ++i) decode_row(weight, rows[i], y + i * columns);
  });
}

}  // namespace qc
