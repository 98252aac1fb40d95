// CodebookMatMul (docs/packed-format.md): few rows of x go through codebook_gemv, more through codebook_gemm.
#include "base/checked_arithmetic.h"
#include "compute/multiply.h"
#include "ops/custom_op.h"
#include "ops/operators.h"

namespace qc {
namespace {

class CodebookMatMul {
 public:
  static constexpr const char* kName = "CodebookMatMul";
  static constexpr size_t kInputs = 5;
  static constexpr int kInputTypes[] = {ort::kFloat, ort::kUint8, ort::kFloat, ort::kFloat, ort::kFloat};
  static constexpr int kOutputType = ort::kFloat;

  explicit CodebookMatMul(const Node& node) {
    refuse_if(check_packed_weight(node.weight_claim(), &weight_));
    if (weight_.shape.size() != 2)
      throw Refusal("weight_shape is " + as_text(weight_.shape) + ", wanted [n, k]");
    Isa isa;
    refuse_if(choose_isa(&isa));
    few_rows_ = get_codebook_gemv(isa, weight_.rows.bits, weight_.rows.columns);
    many_rows_ = get_codebook_gemm(isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    Shape y_shape = x.shape;
    if (x.type != ElementType::float32 || y_shape.empty() || y_shape.back() != weight_.shape[1])
      throw Refusal("x is " + as_text(x.shape) + ", wanted float32 [..., " +
                    std::to_string(weight_.shape[1]) + "]");
    y_shape.back() = weight_.shape[0];
    size_t m = 0, elements = 0, bytes = 0;
    if (!checked_product(x.shape.data(), x.shape.size() - 1, &m) ||
        !checked_multiply(m, weight_.outputs, &elements) ||
        !checked_multiply(elements, sizeof(float), &bytes))
      throw Refusal("the output would be " + as_text(y_shape) + ": too large");
    auto* y = static_cast<float*>(call.output(y_shape));
    if (m != 0) multiply(m, static_cast<const float*>(x.data), y, call.parallel());
  }

 private:
  void multiply(size_t m, const float* x, float* y, const Parallel& parallel) const {
    if (m <= few_vectors(few_rows_)) return multiply_vectors(few_rows_, weight_, m, x, y, parallel);
    const MatMulPanels panels(x, weight_.rows.columns);
    multiply_panels(many_rows_, weight_, 1, m, panels, {y, m, 0, 1, weight_.outputs}, parallel);
  }

  PackedWeight weight_;
  CodebookGemv few_rows_;
  CodebookGemm many_rows_;
};

}  // namespace

const ort::CustomOp* codebook_matmul_op() { return CustomOpOf<CodebookMatMul>::get(); }

}  // namespace qc
