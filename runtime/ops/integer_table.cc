// IntegerTable (docs/packed-format.md, section 6): every code becomes the one that a table holds for it.
#include "base/checked_arithmetic.h"
#include "compute/integer_elementwise.h"
#include "ops/custom_op.h"
#include "ops/operators.h"

namespace qc {
namespace {

class IntegerTableOperator {
 public:
  static constexpr const char* kName = "IntegerTable";
  static constexpr size_t kInputs = 2;
  static constexpr int kInputTypes[] = {ort::kUint8, ort::kUint8};
  static constexpr int kOutputType = ort::kUint8;

  explicit IntegerTableOperator(const Node& node) {
    node.check_inputs(kInputs);
    table_ = node.table(1);
    Isa isa;
    refuse_if(choose_isa(&isa));
    kernel_ = get_integer_table(isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    size_t count = 0;
    if (x.type != ElementType::uint8 || !checked_product(x.shape.data(), x.shape.size(), &count))
      throw Refusal("x is " + as_text(x) + ", wanted uint8");
    auto* y = static_cast<uint8_t*>(call.output(x.shape));
    look_up(kernel_, count, table_, static_cast<const uint8_t*>(x.data), y, call.parallel());
  }

 private:
  const uint8_t* table_;
  IntegerTable kernel_;
};

}  // namespace

const ort::CustomOp* integer_table_op() { return CustomOpOf<IntegerTableOperator>::get(); }

}  // namespace qc
