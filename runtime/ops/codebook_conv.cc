// CodebookConv (docs/packed-format.md): each block of output positions becomes a panel for codebook_gemm; a
// depthwise convolution runs codebook_depthwise.
#include "base/convolution.h"
#include "compute/depthwise.h"
#include "compute/multiply.h"
#include "ops/custom_op.h"
#include "ops/operators.h"

namespace qc {
namespace {

class CodebookConv {
 public:
  static constexpr const char* kName = "CodebookConv";
  static constexpr size_t kInputs = 5;
  static constexpr int kInputTypes[] = {ort::kFloat, ort::kUint8, ort::kFloat, ort::kFloat, ort::kFloat};
  static constexpr int kOutputType = ort::kFloat;

  explicit CodebookConv(const Node& node) {
    refuse_if(check_packed_weight(node.weight_claim(), &weight_));
    refuse_if(check_convolution(node.convolution_claim(), weight_.shape, &convolution_));
    Isa isa;
    refuse_if(choose_isa(&isa));
    is_depthwise_ = is_depthwise(weight_, convolution_);
    depthwise_ = get_depthwise_kernels(isa);
    gemm_ = get_codebook_gemm(isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    if (x.type != ElementType::float32) throw Refusal("x is not float32");
    ConvolutionSizes sizes;
    refuse_if(check_convolution_input(convolution_, x.shape, &sizes));
    auto* y = static_cast<float*>(call.output(sizes.y_shape));
    if (is_depthwise_) {
      convolve_depthwise(depthwise_, weight_, convolution_, sizes, static_cast<const float*>(x.data), y,
                         call.parallel());
    } else {
      multiply(sizes, static_cast<const float*>(x.data), y, call.parallel());
    }
  }

 private:
  void multiply(const ConvolutionSizes& sizes, const float* x, float* y, const Parallel& parallel) const {
    const auto positions = static_cast<size_t>(sizes.output[0]) * static_cast<size_t>(sizes.output[1]);
    const Output output = {y, positions, weight_.outputs * positions, positions, 1};
    const ConvolutionPanels panels(x, convolution_, sizes);
    multiply_panels(gemm_, weight_, convolution_.groups, sizes.batch * positions, panels, output, parallel);
  }

  PackedWeight weight_;
  Convolution convolution_;
  bool is_depthwise_;
  DepthwiseKernels depthwise_;
  CodebookGemm gemm_;
};

}  // namespace

const ort::CustomOp* codebook_conv_op() { return CustomOpOf<CodebookConv>::get(); }

}  // namespace qc
