// IntegerProduct, IntegerProductFloat (docs/packed-format.md, section 6): the product of two tensors of
// codes.
#include "base/integer_product.h"

#include "compute/integer_product.h"
#include "ops/custom_op.h"
#include "ops/operators.h"

namespace qc {
namespace {

template <bool is_float>
class IntegerProductOperator {
 public:
  static constexpr const char* kName = is_float ? "IntegerProductFloat" : "IntegerProduct";
  static constexpr size_t kInputs = 2;
  static constexpr int kInputTypes[] = {ort::kUint8, ort::kUint8};
  static constexpr int kOutputType = is_float ? ort::kFloat : ort::kUint8;

  explicit IntegerProductOperator(const Node& node) {
    node.check_inputs(kInputs);
    refuse_if(check_integer_product(node.integer_product_claim(), &product_.codes));
    product_.is_float = is_float;
    product_.scale = node.finite_float("scale");
    if (!is_float) product_.bias = node.finite_float("bias"), product_.range = node.code_range();
    Isa isa;
    refuse_if(choose_isa(&isa));
    product_.pack = get_pack_codes(isa);
    product_.sum_rows = get_row_sums(isa);
    product_.multiply = get_integer_gemm(isa);
  }

  void compute(const Call& call) const {
    const Operand a = call.input(0), b = call.input(1);
    ProductSizes sizes;
    Shape y_shape;
    refuse_if(check_product_operands(a, b, product_.codes, &sizes, &y_shape));
    void* const y = call.output(y_shape);
    multiply_codes(product_, sizes, static_cast<const uint8_t*>(a.data), static_cast<const uint8_t*>(b.data),
                   y, call.parallel());
  }

 private:
  CodesProduct product_;
};

}  // namespace

const ort::CustomOp* integer_product_op() { return CustomOpOf<IntegerProductOperator<false>>::get(); }
const ort::CustomOp* integer_product_float_op() { return CustomOpOf<IntegerProductOperator<true>>::get(); }

}  // namespace qc
