// SparseConv (docs/packed-format.md): adds to base what the corrections of a convolution's weight contribute.
#include "compute/sparse.h"
#include "ops/custom_op.h"
#include "ops/operators.h"

namespace qc {
namespace {

class SparseConv {
 public:
  static constexpr const char* kName = "SparseConv";
  static constexpr size_t kInputs = 4;
  static constexpr int kInputTypes[] = {ort::kFloat, ort::kFloat, ort::kUint16, ort::kFloat};
  static constexpr int kOutputType = ort::kFloat;

  explicit SparseConv(const Node& node) {
    refuse_if(check_corrections(node.corrections_claim(), &corrections_));
    refuse_if(check_convolution(node.convolution_claim(), corrections_.shape, &convolution_));
    Isa isa;
    refuse_if(choose_isa(&isa));
    kernel_ = get_add_scaled(isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0), base = call.input(1);
    if (x.type != ElementType::float32) throw Refusal("x is not float32");
    ConvolutionSizes sizes;
    refuse_if(check_convolution_input(convolution_, x.shape, &sizes));
    if (base.type != ElementType::float32 || base.shape != sizes.y_shape)
      throw Refusal("base is " + as_text(base) + ", wanted float32 " + as_text(sizes.y_shape));
    auto* y = static_cast<float*>(call.output(sizes.y_shape));
    if (sizes.batch == 0) return;
    add_sparse_convolution(kernel_, corrections_, convolution_, sizes, static_cast<const float*>(x.data),
                           static_cast<const float*>(base.data), y, call.parallel());
  }

 private:
  Corrections corrections_;
  Convolution convolution_;
  AddScaled kernel_;
};

}  // namespace

const ort::CustomOp* sparse_conv_op() { return CustomOpOf<SparseConv>::get(); }

}  // namespace qc
