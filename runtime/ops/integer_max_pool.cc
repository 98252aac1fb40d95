// IntegerMaxPool (docs/packed-format.md, section 6): the largest code of each window.
#include "compute/integer_max_pool.h"

#include "ops/custom_op.h"
#include "ops/operators.h"

namespace qc {
namespace {

class IntegerMaxPoolOperator {
 public:
  static constexpr const char* kName = "IntegerMaxPool";
  static constexpr size_t kInputs = 1;
  static constexpr int kInputTypes[] = {ort::kUint8};
  static constexpr int kOutputType = ort::kUint8;

  explicit IntegerMaxPoolOperator(const Node& node) {
    node.check_inputs(kInputs);
    refuse_if(check_pooling(
        {node.attribute_array("kernel_shape"), node.attribute_array("strides"), node.attribute_array("pads")},
        &pooling_));
    Isa isa;
    refuse_if(choose_isa(&isa));
    kernel_ = get_integer_max_pool(isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    if (x.type != ElementType::uint8) throw Refusal("x is " + as_text(x) + ", wanted uint8");
    PoolingSizes sizes;
    refuse_if(check_pooling_input(pooling_, x.shape, &sizes));
    auto* y = static_cast<uint8_t*>(call.output(sizes.y_shape));
    max_pool(kernel_, pooling_, sizes, static_cast<const uint8_t*>(x.data), y, call.parallel());
  }

 private:
  Pooling pooling_;
  IntegerMaxPool kernel_;
};

}  // namespace

const ort::CustomOp* integer_max_pool_op() { return CustomOpOf<IntegerMaxPoolOperator>::get(); }

}  // namespace qc
