#include "compute/integer_dynamic.h"

#include <algorithm>

#include "base/scratch.h"
#include "compute/integer_multiply.h"

namespace qc {
namespace {

constexpr size_t kTaskFloats = size_t{1} << 15;  // a few microseconds: worth handing to a thread

size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }

void quantize(const DynamicLayer& layer, size_t m, const float* x, uint8_t* codes, CodedRow* rows,
              const Parallel& parallel) {
  const size_t columns = layer.integers.weight.columns;
  const size_t at_once = std::max<size_t>(1, kTaskFloats / columns);
  const auto most = static_cast<uint8_t>((1u << layer.integers.weight.x_bits) - 1);
  parallel(divide_up(m, at_once), [&](size_t task) {
    const size_t first = task * at_once;
    layer.quantize.run({std::min(at_once, m - first), columns, most}, x + first * columns,
                       codes + first * bytes_of_codes(columns), rows + first);
  });
}

}  // namespace

// With a zero point of one a sum starts at minus the sum of its weights: results count that as often as the
// zero point of a row says.
DynamicLayer make_dynamic_layer(IntegerWeight weight, Isa isa) {
  weight.x_zero_point = 1;
  return {make_integer_layer(weight, isa), get_quantize_rows(isa)};
}

void multiply_dynamically(const DynamicLayer& layer, size_t m, const float* x, float* y,
                          const Parallel& parallel) {
  const size_t k = bytes_of_codes(layer.integers.weight.columns);
  const size_t bytes_of_rows = m * sizeof(CodedRow);
  const Scratch scratch(divide_up(bytes_of_rows + m * k, sizeof(float)), 1);  // the product takes the other
  auto* const rows = reinterpret_cast<CodedRow*>(scratch.data());
  auto* const codes = reinterpret_cast<uint8_t*>(rows + m);
  quantize(layer, m, x, codes, rows, parallel);
  const IntegerOutput output = {y, true, nullptr, 0.0f, {}, rows};
  multiply_integers(layer.integers, geometry_of_product(m, k), codes, output, parallel);
}

}  // namespace qc
