// IntegerMatMul, IntegerMatMulAdd, IntegerMatMulTable, IntegerMatMulFloat,
// IntegerMatMulAddFloat (docs/packed-format.md, section 6).
#include "compute/integer_multiply.h"
#include "compute/integer_popcount.h"
#include "ops/custom_op.h"
#include "ops/integer_matrix.h"
#include "ops/integer_result.h"
#include "ops/kernel_name.h"
#include "ops/operators.h"

namespace qc {
namespace {

template <IntegerKind kind>
class IntegerMatMul : public IntegerNode<kind> {
 public:
  static constexpr const char* kName = kind == IntegerKind::codes          ? "IntegerMatMul"
                                       : kind == IntegerKind::added        ? "IntegerMatMulAdd"
                                       : kind == IntegerKind::tabled       ? "IntegerMatMulTable"
                                       : kind == IntegerKind::added_floats ? "IntegerMatMulAddFloat"
                                                                           : "IntegerMatMulFloat";
  static constexpr const char* kKernelName = "IntegerMatMulKernel";

  explicit IntegerMatMul(const Node& node) : output_(integer_output<kind>(node)) {
    node.check_inputs(IntegerNode<kind>::kInputs);
    const IntegerWeightClaim claim = node.integer_weight_claim();
    Isa isa;
    refuse_if(choose_isa(&isa));
    layer_ = make_integer_layer(matrix_of(claim), isa);
    popcount_ = make_integer_popcount(layer_, isa);
    table_ = ResultTable<kind>(node, isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    Shape y_shape;
    const size_t m = count_rows(x, ElementType::uint8, layer_.weight.shape, &y_shape);
    const IntegerOutput output = place_output<kind>(call, output_, y_shape);
    if (m == 0) return;
    multiply(m, static_cast<const uint8_t*>(x.data), output, call);
    table_.map(output, m * layer_.weight.outputs, call.parallel());
  }

  const char* kernel_name(const Operand& x) const {
    Shape y_shape;
    const size_t m = count_rows(x, ElementType::uint8, layer_.weight.shape, &y_shape);
    const IntegerGeometry geometry = geometry_of_product(m, layer_.weight.columns);
    const bool counts_bits = is_popcount_faster(popcount_, layer_, geometry);
    return counts_bits ? popcount_.kernels.name : name_of_product(layer_, geometry);
  }

 private:
  void multiply(size_t m, const uint8_t* codes, const IntegerOutput& output, const Call& call) const {
    const IntegerGeometry geometry = geometry_of_product(m, layer_.weight.columns);
    if (is_popcount_faster(popcount_, layer_, geometry))
      return multiply_by_popcount(popcount_, layer_, geometry, codes, output, call.parallel());
    multiply_integers(layer_, geometry, codes, output, call.parallel());
  }

  IntegerOutput output_;
  IntegerLayer layer_;
  IntegerPopcount popcount_;
  ResultTable<kind> table_;
};

}  // namespace

const ort::CustomOp* integer_matmul_op() { return CustomOpOf<IntegerMatMul<IntegerKind::codes>>::get(); }
const ort::CustomOp* integer_matmul_add_op() { return CustomOpOf<IntegerMatMul<IntegerKind::added>>::get(); }
const ort::CustomOp* integer_matmul_table_op() {
  return CustomOpOf<IntegerMatMul<IntegerKind::tabled>>::get();
}
const ort::CustomOp* integer_matmul_add_float_op() {
  return CustomOpOf<IntegerMatMul<IntegerKind::added_floats>>::get();
}
const ort::CustomOp* integer_matmul_kernel_op() {
  return CustomOpOf<KernelNameOf<IntegerMatMul<IntegerKind::floats>>>::get();
}
const ort::CustomOp* integer_matmul_float_op() {
  return CustomOpOf<IntegerMatMul<IntegerKind::floats>>::get();
}

}  // namespace qc
