// CodebookConv and CodebookConvBfloat16 (docs/packed-format.md): each block of output positions becomes a
// panel for codebook_gemm or codebook_gemm_bfloat16; a depthwise convolution runs codebook_depthwise.
#include "base/convolution.h"
#include "compute/depthwise.h"
#include "compute/multiply.h"
#include "ops/custom_op.h"
#include "ops/kernel_name.h"
#include "ops/operators.h"
#include "ops/precision.h"

namespace qc {
namespace {

template <typename Precision>
class CodebookConv {
 public:
  static constexpr const char* kName = Precision::kConv;
  static constexpr const char* kKernelName = Precision::kConvKernel;
  static constexpr size_t kInputs = 5;
  static constexpr int kInputTypes[] = {ort::kFloat, ort::kUint8, ort::kFloat, ort::kFloat, ort::kFloat};
  static constexpr int kOutputType = ort::kFloat;

  explicit CodebookConv(const Node& node) {
    refuse_if(check_packed_weight(node.weight_claim(), &weight_));
    refuse_if(check_convolution(node.convolution_claim(), weight_.shape, &convolution_));
    Precision::check(weight_);
    Isa isa;
    refuse_if(choose_isa(&isa));
    is_depthwise_ = is_depthwise(weight_, convolution_);
    kernels_ = Precision::kernels(isa, weight_.rows);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    if (x.type != ElementType::float32) throw Refusal("x is not float32");
    ConvolutionSizes sizes;
    refuse_if(check_convolution_input(convolution_, x.shape, &sizes));
    auto* y = static_cast<float*>(call.output(sizes.y_shape));
    if (is_depthwise_) {
      convolve_depthwise(kernels_.depthwise, weight_, convolution_, sizes, static_cast<const float*>(x.data),
                         y, call.parallel());
    } else {
      multiply(sizes, static_cast<const float*>(x.data), y, call.parallel());
    }
  }

  const char* kernel_name(const Operand&) const {
    return is_depthwise_ ? kernels_.depthwise.multiply.name : kernels_.many_rows.name;
  }

 private:
  void multiply(const ConvolutionSizes& sizes, const float* x, float* y, const Parallel& parallel) const {
    const auto positions = static_cast<size_t>(sizes.output[0]) * static_cast<size_t>(sizes.output[1]);
    const Output output = {y, positions, weight_.outputs * positions, positions, 1};
    const ConvolutionPanels panels(x, convolution_, sizes);
    multiply_panels(kernels_.many_rows, weight_, convolution_.groups, sizes.batch * positions, panels, output,
                    parallel);
  }

  PackedWeight weight_;
  Convolution convolution_;
  bool is_depthwise_;
  FloatKernels kernels_;
};

}  // namespace

const ort::CustomOp* codebook_conv_op() { return CustomOpOf<CodebookConv<PlainFloats>>::get(); }
const ort::CustomOp* codebook_conv_bfloat16_op() { return CustomOpOf<CodebookConv<Bfloat16>>::get(); }
const ort::CustomOp* codebook_conv_kernel_op() {
  return CustomOpOf<KernelNameOf<CodebookConv<PlainFloats>>>::get();
}
const ort::CustomOp* codebook_conv_bfloat16_kernel_op() {
  return CustomOpOf<KernelNameOf<CodebookConv<Bfloat16>>>::get();
}

}  // namespace qc
