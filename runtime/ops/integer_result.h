// What the kinds of integer product and convolution do with their sums, and how their nodes differ.
#pragma once

#include <array>

#include "base/isa.h"
#include "compute/integer_elementwise.h"
#include "compute/integer_layer.h"
#include "ops/node.h"

namespace qc {

// But for the first: ...Add, ...Table, ...Float, ...AddFloat.
enum class IntegerKind { codes, added, tabled, floats, added_floats };

constexpr bool has_residual(IntegerKind kind) {
  return kind == IntegerKind::added || kind == IntegerKind::added_floats;
}
constexpr bool has_floats(IntegerKind kind) {
  return kind == IntegerKind::floats || kind == IntegerKind::added_floats;
}

template <IntegerKind kind>
struct IntegerNode {
  static constexpr size_t kInputs = has_residual(kind) || kind == IntegerKind::tabled ? 6 : 5;
  static constexpr int kInputTypes[] = {ort::kUint8, ort::kUint8, ort::kInt8,
                                        ort::kFloat, ort::kFloat, ort::kUint8};
  static constexpr int kOutputType = has_floats(kind) ? ort::kFloat : ort::kUint8;
};

// Reads the attributes that say what becomes of a sum.
template <IntegerKind kind>
IntegerOutput integer_output(const Node& node) {
  IntegerOutput output = {nullptr, has_floats(kind), nullptr, 0.0f, {}};
  if (!has_floats(kind)) output.range = node.code_range();
  if (has_residual(kind)) output.residual_scale = node.finite_float("residual_scale");
  return output;
}

// The table of an operator that has one; it maps the codes of y in place, once all of them are there.
template <IntegerKind kind>
struct ResultTable {
  ResultTable() = default;
  ResultTable(const Node&, Isa) {}
  void map(const IntegerOutput&, size_t, const Parallel&) const {}
};
template <>
struct ResultTable<IntegerKind::tabled> {
  ResultTable() = default;
  ResultTable(const Node& node, Isa isa) : entries(node.table(5)), kernel(get_integer_table(isa)) {}
  void map(const IntegerOutput& output, size_t count, const Parallel& parallel) const {
    auto* const y = static_cast<uint8_t*>(output.y);
    look_up(kernel, count, entries, y, y, parallel);
  }
  const uint8_t* entries = nullptr;
  IntegerTable kernel = {};
};

// Asks for y, and for the residual where there is one.
template <IntegerKind kind>
IntegerOutput place_output(const Call& call, IntegerOutput output, const Shape& y_shape) {
  if (has_residual(kind)) {
    const Operand residual = call.input(5);
    if (residual.type != ElementType::uint8 || residual.shape != y_shape)
      throw Refusal("residual is " + as_text(residual) + ", wanted uint8 " + as_text(y_shape));
    output.residual = static_cast<const uint8_t*>(residual.data);
  }
  output.y = call.output(y_shape);
  return output;
}

}  // namespace qc
