// QuantizeLayerNormalization (docs/packed-format.md, section 6): floats, normalized row by row, become codes.
#include "compute/rows.h"
#include "ops/channels.h"
#include "ops/custom_op.h"
#include "ops/operators.h"
#include "ops/rows.h"

namespace qc {
namespace {

class QuantizeLayerNormalization {
 public:
  static constexpr const char* kName = "QuantizeLayerNormalization";
  static constexpr size_t kInputs = 3;
  static constexpr int kInputTypes[] = {ort::kFloat, ort::kFloat, ort::kFloat};
  static constexpr int kOutputType = ort::kUint8;

  explicit QuantizeLayerNormalization(const Node& node) {
    node.check_inputs(kInputs);
    const CodeRange range = node.code_range();
    const ChannelOperands operands = read_scale_and_bias(node);
    const float epsilon = node.finite_float("epsilon");
    if (!(epsilon > 0)) throw Refusal("epsilon is " + std::to_string(epsilon) + ", wanted above 0");
    shape_ = {0, operands.channels, operands.scale, operands.bias, epsilon, range.least, range.most};
    Isa isa;
    refuse_if(choose_isa(&isa));
    kernel_ = get_normalize_rows(isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    const RowSizes sizes = read_rows(x);
    if (sizes.columns != shape_.columns)
      throw Refusal("x is " + as_text(x) + ", wanted float32 [..., " + std::to_string(shape_.columns) + "]");
    RowsToNormalize shape = shape_;
    shape.rows = sizes.rows;
    auto* const y = static_cast<uint8_t*>(call.output(x.shape));
    normalize_rows(kernel_, shape, static_cast<const float*>(x.data), y, call.parallel());
  }

 private:
  RowsToNormalize shape_ = {};  // without rows
  NormalizeRows kernel_;
};

}  // namespace

const ort::CustomOp* quantize_layer_normalization_op() {
  return CustomOpOf<QuantizeLayerNormalization>::get();
}

}  // namespace qc
