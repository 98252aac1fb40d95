// CodebookMatMul and CodebookMatMulBfloat16 (docs/packed-format.md): few rows of x go through codebook_gemv,
// more through codebook_gemm or, if the processor has products of bfloat16, codebook_gemm_bfloat16.
#include "base/checked_arithmetic.h"
#include "compute/multiply.h"
#include "ops/custom_op.h"
#include "ops/kernel_name.h"
#include "ops/operators.h"
#include "ops/precision.h"

namespace qc {
namespace {

template <typename Precision>
class CodebookMatMul {
 public:
  static constexpr const char* kName = Precision::kMatMul;
  static constexpr const char* kKernelName = Precision::kMatMulKernel;
  static constexpr size_t kInputs = 5;
  static constexpr int kInputTypes[] = {ort::kFloat, ort::kUint8, ort::kFloat, ort::kFloat, ort::kFloat};
  static constexpr int kOutputType = ort::kFloat;

  explicit CodebookMatMul(const Node& node) {
    refuse_if(check_packed_weight(node.weight_claim(), &weight_));
    if (weight_.shape.size() != 2)
      throw Refusal("weight_shape is " + as_text(weight_.shape) + ", wanted [n, k]");
    Precision::check(weight_);
    Isa isa;
    refuse_if(choose_isa(&isa));
    kernels_ = Precision::kernels(isa, weight_.rows);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    Shape y_shape;
    const size_t m = count_rows(x, &y_shape);
    auto* y = static_cast<float*>(call.output(y_shape));
    if (m != 0) multiply(m, static_cast<const float*>(x.data), y, call.parallel());
  }

  const char* kernel_name(const Operand& x) const {
    Shape y_shape;
    return is_few(count_rows(x, &y_shape)) ? kernels_.few_rows.name : kernels_.many_rows.name;
  }

 private:
  // Those of x, whose product has the shape *y_shape.
  size_t count_rows(const Operand& x, Shape* shape) const {
    Shape& y_shape = *shape = x.shape;
    if (x.type != ElementType::float32 || y_shape.empty() || y_shape.back() != weight_.shape[1])
      throw Refusal("x is " + as_text(x.shape) + ", wanted float32 [..., " +
                    std::to_string(weight_.shape[1]) + "]");
    y_shape.back() = weight_.shape[0];
    size_t m = 0, elements = 0, bytes = 0;
    if (!checked_product(x.shape.data(), x.shape.size() - 1, &m) ||
        !checked_multiply(m, weight_.outputs, &elements) ||
        !checked_multiply(elements, sizeof(float), &bytes))
      throw Refusal("the output would be " + as_text(y_shape) + ": too large");
    return m;
  }

  bool is_few(size_t m) const { return m <= kernels_.most_few_rows; }

  void multiply(size_t m, const float* x, float* y, const Parallel& parallel) const {
    if (is_few(m)) return multiply_vectors(kernels_.few_rows, weight_, m, x, y, parallel);
    const MatMulPanels panels(x, weight_.rows.columns);
    multiply_panels(kernels_.many_rows, weight_, 1, m, panels, {y, m, 0, 1, weight_.outputs}, parallel);
  }

  PackedWeight weight_;
  FloatKernels kernels_;
};

}  // namespace

const ort::CustomOp* codebook_matmul_op() { return CustomOpOf<CodebookMatMul<PlainFloats>>::get(); }
const ort::CustomOp* codebook_matmul_bfloat16_op() { return CustomOpOf<CodebookMatMul<Bfloat16>>::get(); }
const ort::CustomOp* codebook_matmul_kernel_op() {
  return CustomOpOf<KernelNameOf<CodebookMatMul<PlainFloats>>>::get();
}
const ort::CustomOp* codebook_matmul_bfloat16_kernel_op() {
  return CustomOpOf<KernelNameOf<CodebookMatMul<Bfloat16>>>::get();
}

}  // namespace qc
