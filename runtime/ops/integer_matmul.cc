// IntegerMatMul, IntegerMatMulAdd, IntegerMatMulFloat (docs/packed-format.md, section 6).
#include "base/checked_arithmetic.h"
#include "compute/integer_multiply.h"
#include "compute/integer_popcount.h"
#include "ops/custom_op.h"
#include "ops/integer_result.h"
#include "ops/operators.h"

namespace qc {
namespace {

template <IntegerKind kind>
class IntegerMatMul : public IntegerNode<kind> {
 public:
  static constexpr const char* kName = kind == IntegerKind::codes   ? "IntegerMatMul"
                                       : kind == IntegerKind::added ? "IntegerMatMulAdd"
                                                                    : "IntegerMatMulFloat";

  explicit IntegerMatMul(const Node& node) : output_(integer_output<kind>(node)) {
    node.check_inputs(IntegerNode<kind>::kInputs);
    const IntegerWeightClaim claim = node.integer_weight_claim();
    refuse_if(check_integer_attributes(claim));
    if (claim.weight_shape->size() != 2)
      throw Refusal("weight_shape is " + as_text(*claim.weight_shape) + ", wanted [n, k]");
    IntegerWeight weight;
    refuse_if(check_integer_weight(claim, 1, &weight));
    Isa isa;
    refuse_if(choose_isa(&isa));
    layer_ = make_integer_layer(weight, isa);
    popcount_ = make_integer_popcount(layer_, isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    const Shape& weight_shape = layer_.weight.shape;
    Shape y_shape = x.shape;
    if (x.type != ElementType::uint8 || y_shape.empty() || y_shape.back() != weight_shape[1])
      throw Refusal("x is " + as_text(x) + ", wanted uint8 [..., " + std::to_string(weight_shape[1]) + "]");
    y_shape.back() = weight_shape[0];
    size_t m = 0, elements = 0;
    if (!checked_product(x.shape.data(), x.shape.size() - 1, &m) ||
        !checked_multiply(m, sizeof(float) * layer_.weight.outputs, &elements) || m > kMaxSize)
      throw Refusal("the output would be " + as_text(y_shape) + ": too large");
    const IntegerOutput output = place_output<kind>(call, output_, y_shape);
    if (m == 0) return;
    const IntegerGeometry geometry = geometry_of_product(m, layer_.weight.columns);
    const auto* codes = static_cast<const uint8_t*>(x.data);
    if (is_popcount_faster(popcount_, layer_, geometry))
      return multiply_by_popcount(popcount_, layer_, geometry, codes, output, call.parallel());
    multiply_integers(layer_, geometry, codes, output, call.parallel());
  }

 private:
  IntegerOutput output_;
  IntegerLayer layer_;
  IntegerPopcount popcount_;
};

}  // namespace

const ort::CustomOp* integer_matmul_op() { return CustomOpOf<IntegerMatMul<IntegerKind::codes>>::get(); }
const ort::CustomOp* integer_matmul_add_op() { return CustomOpOf<IntegerMatMul<IntegerKind::added>>::get(); }
const ort::CustomOp* integer_matmul_float_op() {
  return CustomOpOf<IntegerMatMul<IntegerKind::floats>>::get();
}

}  // namespace qc
