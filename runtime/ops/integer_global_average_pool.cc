// IntegerGlobalAveragePool (docs/packed-format.md, section 6): the codes of the mean of each channel.
#include "base/checked_arithmetic.h"
#include "compute/integer_elementwise.h"
#include "ops/custom_op.h"
#include "ops/operators.h"

namespace qc {
namespace {

class IntegerGlobalAveragePoolOperator {
 public:
  static constexpr const char* kName = "IntegerGlobalAveragePool";
  static constexpr size_t kInputs = 1;
  static constexpr int kInputTypes[] = {ort::kUint8};
  static constexpr int kOutputType = ort::kUint8;

  explicit IntegerGlobalAveragePoolOperator(const Node& node) {
    node.check_inputs(kInputs);
    const CodeRange range = node.code_range();
    const int64_t keepdims = node.attribute("keepdims").value_or(1);
    if (keepdims < 0 || keepdims > 1)
      throw Refusal("keepdims is " + std::to_string(keepdims) + ", wanted 0 or 1");
    keeps_axes_ = keepdims == 1;
    image_ = {0, 0, node.finite_float("scale"), node.finite_float("bias"), range.least, range.most};
    Isa isa;
    refuse_if(choose_isa(&isa));
    kernel_ = get_integer_average(isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    const ImageToAverage image = image_of(x);
    Shape y_shape(keeps_axes_ ? x.shape.size() : 2, 1);
    y_shape.front() = x.shape.front();
    y_shape.back() = x.shape.back();
    auto* y = static_cast<uint8_t*>(call.output(y_shape));
    average_images(kernel_, image, static_cast<size_t>(x.shape.front()), static_cast<const uint8_t*>(x.data),
                   y, call.parallel());
  }

 private:
  ImageToAverage image_of(const Operand& x) const {
    if (x.type != ElementType::uint8 || x.shape.size() < 3)
      throw Refusal("x is " + as_text(x) + ", wanted uint8 [batch, *spatial, channels]");
    ImageToAverage image = image_;
    image.channels = static_cast<size_t>(x.shape.back());
    const bool fits = checked_product(x.shape.data() + 1, x.shape.size() - 2, &image.positions);
    if (!fits || image.positions < 1 || image.positions > kMaxAveraged)
      throw Refusal("x is " + as_text(x.shape) + ", wanted 1 to " + std::to_string(kMaxAveraged) +
                    " positions: their sum must fit int32");
    return image;
  }

  ImageToAverage image_;  // without its sizes
  bool keeps_axes_;
  IntegerAverage kernel_;
};

}  // namespace

const ort::CustomOp* integer_global_average_pool_op() {
  return CustomOpOf<IntegerGlobalAveragePoolOperator>::get();
}

}  // namespace qc
