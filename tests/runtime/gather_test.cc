// Rows of packed tables: the very floats of the plain form, for all widths, sizes at which tasks end, and
// rows that begin inside a byte.
#include "compute/gather.h"

#include "operators.h"

using namespace qc;
using namespace qc::test;

namespace {

size_t checked = 0;

// One multiplication and one addition, each rounded: no bound is needed.
float wanted(const RandomOperands& operands, size_t row, size_t column) {
  const float scale = operands.scale.empty() ? 1.0f : operands.scale[row];
  const float bias = operands.bias.empty() ? 0.0f : operands.bias[row];
  return static_cast<float>(operands.plain.at(row, column)) * scale + bias;
}

void check_table(Random& random, const Shape& shape, size_t bits, size_t groups, size_t count, Flush flush) {
  const RandomOperands operands(random, shape, bits, groups, flush);
  PackedWeight weight;
  expect(check_packed_weight(operands.claim, &weight).empty(), "the operands are right");
  std::vector<size_t> rows(count);
  for (size_t& row : rows) row = uniform(random, 0, weight.outputs - 1);
  if (count > 1) rows[0] = weight.outputs - 1;  // the end of the stream
  Guarded<float> y(count * weight.rows.columns, flush);
  gather_rows(weight, count, rows.data(), y.data(), run_backwards);
  for (size_t i = 0; i < y.size(); ++i)
    expect(y.data()[i] == wanted(operands, rows[i / weight.rows.columns], i % weight.rows.columns),
           "element " + std::to_string(i) + " of " + as_text(shape) + ", " + std::to_string(bits) + " bits");
  ++checked;
}

}  // namespace

int main() {
  Random random(29);
  for (size_t bits = 1; bits <= 8; ++bits)
    for (Flush flush : {Flush::low, Flush::high})
      for (const Shape& shape : {Shape{1, 1}, Shape{7, 5}, Shape{6, 33}, Shape{30, 1024}})
        for (size_t count : {0, 1, 3, 70}) {
          check_table(random, shape, bits, 1, count, flush);
          check_table(random, shape, bits, static_cast<size_t>(shape[0]), count, flush);
        }
  return result(checked);
}
