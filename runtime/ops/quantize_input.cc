// QuantizeInput (docs/packed-format.md, section 6): floats, channels first, become codes, channels last.
#include "base/checked_arithmetic.h"
#include "compute/integer_elementwise.h"
#include "ops/custom_op.h"
#include "ops/operators.h"

namespace qc {
namespace {

class QuantizeInputOperator {
 public:
  static constexpr const char* kName = "QuantizeInput";
  static constexpr size_t kInputs = 1;
  static constexpr int kInputTypes[] = {ort::kFloat};
  static constexpr int kOutputType = ort::kUint8;

  explicit QuantizeInputOperator(const Node& node) {
    node.check_inputs(kInputs);
    const CodeRange range = node.code_range();
    image_ = {0, 0, 0, node.finite_float("scale"), node.finite_float("bias"), range.least, range.most};
    Isa isa;
    refuse_if(choose_isa(&isa));
    kernel_ = get_quantize_input(isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    if (x.type != ElementType::float32 || x.shape.size() < 2)
      throw Refusal("x is " + as_text(x) + ", wanted float32 [batch, channels, *spatial]");
    ImageToQuantize image = image_;
    image.channels = static_cast<size_t>(x.shape[1]);
    if (!checked_product(x.shape.data() + 2, x.shape.size() - 2, &image.positions))
      throw Refusal("x is " + as_text(x.shape) + ": too large");
    image.pitch = image.positions;
    Shape y_shape = x.shape;
    y_shape.erase(y_shape.begin() + 1);
    y_shape.push_back(x.shape[1]);
    auto* y = static_cast<uint8_t*>(call.output(y_shape));
    quantize_images(kernel_, image, static_cast<size_t>(x.shape[0]), static_cast<const float*>(x.data), y,
                    call.parallel());
  }

 private:
  ImageToQuantize image_;  // without its sizes
  QuantizeInput kernel_;
};

}  // namespace

const ort::CustomOp* quantize_input_op() { return CustomOpOf<QuantizeInputOperator>::get(); }

}  // namespace qc
