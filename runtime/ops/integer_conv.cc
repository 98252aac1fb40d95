// IntegerConv, IntegerConvAdd, IntegerConvTable, IntegerConvFloat (docs/packed-format.md, section 6):
// channels last.
#include "base/checked_arithmetic.h"
#include "compute/integer_depthwise.h"
#include "compute/integer_multiply.h"
#include "compute/integer_popcount.h"
#include "compute/integer_winograd.h"
#include "ops/custom_op.h"
#include "ops/integer_result.h"
#include "ops/kernel_name.h"
#include "ops/operators.h"

namespace qc {
namespace {

template <IntegerKind kind>
class IntegerConv : public IntegerNode<kind> {
 public:
  static constexpr const char* kName = kind == IntegerKind::codes    ? "IntegerConv"
                                       : kind == IntegerKind::added  ? "IntegerConvAdd"
                                       : kind == IntegerKind::tabled ? "IntegerConvTable"
                                                                     : "IntegerConvFloat";
  static constexpr const char* kKernelName = "IntegerConvKernel";

  explicit IntegerConv(const Node& node) : output_(integer_output<kind>(node)) {
    node.check_inputs(IntegerNode<kind>::kInputs);
    const IntegerWeightClaim claim = node.integer_weight_claim();
    refuse_if(check_integer_attributes(claim));
    refuse_if(check_convolution(node.convolution_claim(), *claim.weight_shape, &convolution_));
    IntegerWeight weight;
    refuse_if(check_integer_weight(claim, convolution_.groups, &weight));
    Isa isa;
    refuse_if(choose_isa(&isa));
    layer_ = make_integer_layer(weight, isa);
    depthwise_ = get_integer_depthwise_kernels(isa);
    popcount_ = make_integer_popcount(layer_, isa);
    winograd_ = make_integer_winograd(layer_, convolution_, isa);
    table_ = ResultTable<kind>(node, isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    const ConvolutionSizes sizes = sizes_for(x);
    const IntegerOutput output = place_output<kind>(call, output_, sizes.y_shape);
    if (sizes.batch == 0) return;
    convolve(sizes, static_cast<const uint8_t*>(x.data), output, call.parallel());
    size_t count = 0;
    if (checked_product(sizes.y_shape.data(), sizes.y_shape.size(), &count))  // as has been checked
      table_.map(output, count, call.parallel());
  }

  const char* kernel_name(const Operand& x) const {
    const IntegerGeometry geometry = geometry_of(convolution_, sizes_for(x));
    switch (choose(geometry)) {
      case Technique::depthwise:
        return depthwise_.multiply.name;
      case Technique::popcount:
        return popcount_.kernels.name;
      case Technique::winograd:
        return winograd_.kernels.name;
      case Technique::dense:
        break;
    }
    return name_of_product(layer_, geometry);
  }

 private:
  enum class Technique { depthwise, popcount, winograd, dense };

  Technique choose(const IntegerGeometry& geometry) const {
    if (layer_.weight.is_depthwise) return Technique::depthwise;
    if (is_popcount_faster(popcount_, layer_, geometry)) return Technique::popcount;
    return is_winograd_faster(winograd_, layer_, geometry) ? Technique::winograd : Technique::dense;
  }

  ConvolutionSizes sizes_for(const Operand& x) const {
    if (x.type != ElementType::uint8) throw Refusal("x is " + as_text(x) + ", wanted uint8");
    ConvolutionSizes sizes;
    refuse_if(check_convolution_input(convolution_, x.shape, &sizes, Layout::channels_last));
    return sizes;
  }

  void convolve(const ConvolutionSizes& sizes, const uint8_t* codes, const IntegerOutput& output,
                const Parallel& parallel) const {
    const IntegerGeometry geometry = geometry_of(convolution_, sizes);
    switch (choose(geometry)) {
      case Technique::depthwise:
        return convolve_depthwise(sizes, codes, output, parallel);
      case Technique::popcount:
        return multiply_by_popcount(popcount_, layer_, geometry, codes, output, parallel);
      case Technique::winograd:
        return convolve_winograd(winograd_, layer_, geometry, codes, output, parallel);
      case Technique::dense:
        return multiply_integers(layer_, geometry, codes, output, parallel);
    }
  }

  void convolve_depthwise(const ConvolutionSizes& sizes, const uint8_t* x, const IntegerOutput& output,
                          const Parallel& parallel) const {
    const IntegerWeight& weight = layer_.weight;
    auto* const codes = output.is_float ? nullptr : static_cast<uint8_t*>(output.y);
    auto* const floats = output.is_float ? static_cast<float*>(output.y) : nullptr;
    convolve_integer_depthwise(depthwise_, weight.tiles, convolution_, sizes, weight.x_zero_point, x,
                               {weight.scale, weight.bias, output.residual, output.residual_scale,
                                output.range.least, output.range.most, codes, floats},
                               parallel);
  }

  IntegerOutput output_;
  Convolution convolution_;
  IntegerLayer layer_;
  IntegerDepthwiseKernels depthwise_;
  IntegerPopcount popcount_;
  IntegerWinograd winograd_;
  ResultTable<kind> table_;
};

}  // namespace

const ort::CustomOp* integer_conv_op() { return CustomOpOf<IntegerConv<IntegerKind::codes>>::get(); }
const ort::CustomOp* integer_conv_add_op() { return CustomOpOf<IntegerConv<IntegerKind::added>>::get(); }
const ort::CustomOp* integer_conv_table_op() { return CustomOpOf<IntegerConv<IntegerKind::tabled>>::get(); }
const ort::CustomOp* integer_conv_kernel_op() {
  return CustomOpOf<KernelNameOf<IntegerConv<IntegerKind::floats>>>::get();
}
const ort::CustomOp* integer_conv_float_op() { return CustomOpOf<IntegerConv<IntegerKind::floats>>::get(); }

}  // namespace qc
