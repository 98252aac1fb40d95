// SparseMatMul (docs/packed-format.md): adds to base what the corrections of a weight contribute.
#include "base/checked_arithmetic.h"
#include "compute/sparse.h"
#include "ops/custom_op.h"
#include "ops/operators.h"

namespace qc {
namespace {

class SparseMatMul {
 public:
  static constexpr const char* kName = "SparseMatMul";
  static constexpr size_t kInputs = 4;
  static constexpr int kInputTypes[] = {ort::kFloat, ort::kFloat, ort::kUint16, ort::kFloat};
  static constexpr int kOutputType = ort::kFloat;

  explicit SparseMatMul(const Node& node) {
    refuse_if(check_corrections(node.corrections_claim(), &corrections_));
    if (corrections_.shape.size() != 2)
      throw Refusal("weight_shape is " + as_text(corrections_.shape) + ", wanted [n, k]");
    Isa isa;
    refuse_if(choose_isa(&isa));
    kernel_ = get_add_elements(isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0), base = call.input(1);
    Shape y_shape = x.shape;
    if (x.type != ElementType::float32 || y_shape.empty() || y_shape.back() != corrections_.shape[1])
      throw Refusal("x is " + as_text(x.shape) + ", wanted float32 [..., " +
                    std::to_string(corrections_.shape[1]) + "]");
    y_shape.back() = corrections_.shape[0];
    if (base.type != ElementType::float32 || base.shape != y_shape)
      throw Refusal("base is " + as_text(base) + ", wanted float32 " + as_text(y_shape));
    size_t m = 0;
    if (!checked_product(x.shape.data(), x.shape.size() - 1, &m))
      throw Refusal("the output would be " + as_text(y_shape) + ": too large");
    auto* y = static_cast<float*>(call.output(y_shape));
    if (m == 0) return;
    add_sparse_product(kernel_, corrections_, m, static_cast<const float*>(x.data),
                       static_cast<const float*>(base.data), y, call.parallel());
  }

 private:
  Corrections corrections_;
  AddElements kernel_;
};

}  // namespace

const ort::CustomOp* sparse_matmul_op() { return CustomOpOf<SparseMatMul>::get(); }

}  // namespace qc
