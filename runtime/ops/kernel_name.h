// An operator that tells which kernel another one, with the same inputs and attributes, runs for such an x.
// Packed models never hold it: Python asks it (docs/decisions/0003-runtime-info-operator.md).
#pragma once

#include <algorithm>
#include <string>

#include "ops/custom_op.h"

namespace qc {

// y: the bytes of a text.
inline void write_text(const Call& call, const std::string& text) {
  auto* const bytes = static_cast<uint8_t*>(call.output({static_cast<int64_t>(text.size())}));
  std::copy(text.begin(), text.end(), bytes);
}

// An Operator has, beside what custom_op.h wants,
//   static constexpr const char* kKernelName; const char* kernel_name(const Operand& x) const: throws Refusal
template <typename Operator>
class KernelNameOf {
 public:
  static constexpr const char* kName = Operator::kKernelName;
  static constexpr size_t kInputs = Operator::kInputs;
  static constexpr auto& kInputTypes = Operator::kInputTypes;
  static constexpr int kOutputType = ort::kUint8;

  explicit KernelNameOf(const Node& node) : operator_(node) {}

  void compute(const Call& call) const { write_text(call, operator_.kernel_name(call.input(0))); }

 private:
  Operator operator_;
};

}  // namespace qc
