// QuantizeInput (docs/packed-format.md, section 6): floats, channels first, become codes, channels last.
#include "base/checked_arithmetic.h"
#include "compute/integer_elementwise.h"
#include "ops/channels.h"
#include "ops/custom_op.h"
#include "ops/operators.h"

namespace qc {
namespace {

class QuantizeInputOperator {
 public:
  static constexpr const char* kName = "QuantizeInput";
  static constexpr size_t kInputs = 3;
  static constexpr int kInputTypes[] = {ort::kFloat, ort::kFloat, ort::kFloat};
  static constexpr int kOutputType = ort::kUint8;

  explicit QuantizeInputOperator(const Node& node) {
    node.check_inputs(kInputs);
    const CodeRange range = node.code_range();
    const ChannelOperands operands = read_scale_and_bias(node);
    image_.channels = operands.channels;
    image_.scale = operands.scale;
    image_.bias = operands.bias;
    image_.least = range.least;
    image_.most = range.most;
    Isa isa;
    refuse_if(choose_isa(&isa));
    kernel_ = get_quantize_input(isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    if (x.type != ElementType::float32 || x.shape.size() < 2 ||
        x.shape[1] != static_cast<int64_t>(image_.channels))
      throw Refusal("x is " + as_text(x) + ", wanted float32 [batch, " + std::to_string(image_.channels) +
                    ", *spatial]");
    ImageToQuantize image = image_;
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
  ImageToQuantize image_ = {};  // without positions and pitch
  QuantizeInput kernel_;
};

}  // namespace

const ort::CustomOp* quantize_input_op() { return CustomOpOf<QuantizeInputOperator>::get(); }

}  // namespace qc
