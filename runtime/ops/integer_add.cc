// IntegerAdd (docs/packed-format.md, section 6): the codes of a sum of two tensors of codes.
#include "base/checked_arithmetic.h"
#include "compute/integer_elementwise.h"
#include "ops/custom_op.h"
#include "ops/operators.h"

namespace qc {
namespace {

class IntegerAddOperator {
 public:
  static constexpr const char* kName = "IntegerAdd";
  static constexpr size_t kInputs = 2;
  static constexpr int kInputTypes[] = {ort::kUint8, ort::kUint8};
  static constexpr int kOutputType = ort::kUint8;

  explicit IntegerAddOperator(const Node& node) {
    node.check_inputs(kInputs);
    const CodeRange range = node.code_range();
    sum_ = {node.finite_float("a_scale"), node.finite_float("b_scale"), node.finite_float("bias"),
            range.least, range.most};
    Isa isa;
    refuse_if(choose_isa(&isa));
    kernel_ = get_integer_add(isa);
  }

  void compute(const Call& call) const {
    const Operand a = call.input(0), b = call.input(1);
    size_t count = 0;
    if (a.type != ElementType::uint8 || !checked_product(a.shape.data(), a.shape.size(), &count))
      throw Refusal("a is " + as_text(a) + ", wanted uint8");
    if (b.type != ElementType::uint8 || b.shape != a.shape)
      throw Refusal("b is " + as_text(b) + ", wanted the shape of a, uint8 " + as_text(a.shape));
    auto* y = static_cast<uint8_t*>(call.output(a.shape));
    add_codes(kernel_, sum_, count, static_cast<const uint8_t*>(a.data), static_cast<const uint8_t*>(b.data),
              y, call.parallel());
  }

 private:
  CodesToAdd sum_;
  IntegerAdd kernel_;
};

}  // namespace

const ort::CustomOp* integer_add_op() { return CustomOpOf<IntegerAddOperator>::get(); }

}  // namespace qc
