// QuantizeSoftmax (docs/packed-format.md, section 6): the softmax of rows of floats becomes codes.
#include "compute/rows.h"
#include "ops/custom_op.h"
#include "ops/operators.h"
#include "ops/rows.h"

namespace qc {
namespace {

class QuantizeSoftmax {
 public:
  static constexpr const char* kName = "QuantizeSoftmax";
  static constexpr size_t kInputs = 1;
  static constexpr int kInputTypes[] = {ort::kFloat};
  static constexpr int kOutputType = ort::kUint8;

  explicit QuantizeSoftmax(const Node& node) {
    node.check_inputs(kInputs);
    const CodeRange range = node.code_range();
    shape_ = {0, 0, node.finite_float("scale"), node.finite_float("bias"), range.least, range.most};
    Isa isa;
    refuse_if(choose_isa(&isa));
    kernel_ = get_softmax_rows(isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    const RowSizes sizes = read_rows(x);
    RowsOfSoftmax shape = shape_;
    shape.rows = sizes.rows;
    shape.columns = sizes.columns;
    auto* const y = static_cast<uint8_t*>(call.output(x.shape));
    softmax_rows(kernel_, shape, static_cast<const float*>(x.data), y, call.parallel());
  }

 private:
  RowsOfSoftmax shape_ = {};  // without rows and columns
  SoftmaxRows kernel_;
};

}  // namespace

const ort::CustomOp* quantize_softmax_op() { return CustomOpOf<QuantizeSoftmax>::get(); }

}  // namespace qc
