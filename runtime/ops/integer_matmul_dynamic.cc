// IntegerMatMulDynamic (docs/packed-format.md, section 6): rows of floats become codes as they come.
#include "compute/integer_dynamic.h"
#include "compute/integer_multiply.h"
#include "ops/custom_op.h"
#include "ops/integer_matrix.h"
#include "ops/kernel_name.h"
#include "ops/operators.h"

namespace qc {
namespace {

class IntegerMatMulDynamic {
 public:
  static constexpr const char* kName = "IntegerMatMulDynamic";
  static constexpr const char* kKernelName = "IntegerMatMulDynamicKernel";
  static constexpr size_t kInputs = 5;
  static constexpr int kInputTypes[] = {ort::kFloat, ort::kUint8, ort::kInt8, ort::kFloat, ort::kFloat};
  static constexpr int kOutputType = ort::kFloat;

  explicit IntegerMatMulDynamic(const Node& node) {
    node.check_inputs(kInputs);
    IntegerWeightClaim claim = node.integer_weight_claim();
    claim.x_zero_point = 0;  // rows have their own
    Isa isa;
    refuse_if(choose_isa(&isa));
    layer_ = make_dynamic_layer(matrix_of(claim), isa);
  }

  void compute(const Call& call) const {
    const Operand x = call.input(0);
    Shape y_shape;
    const size_t m = count_rows(x, ElementType::float32, layer_.integers.weight.shape, &y_shape);
    auto* const y = static_cast<float*>(call.output(y_shape));
    if (m == 0) return;
    multiply_dynamically(layer_, m, static_cast<const float*>(x.data), y, call.parallel());
  }

  const char* kernel_name(const Operand& x) const {
    const IntegerWeight& weight = layer_.integers.weight;
    Shape y_shape;
    const size_t m = count_rows(x, ElementType::float32, weight.shape, &y_shape);
    return name_of_product(layer_.integers, geometry_of_product(m, bytes_of_codes(weight.columns)));
  }

 private:
  DynamicLayer layer_;
};

}  // namespace

const ort::CustomOp* integer_matmul_dynamic_op() { return CustomOpOf<IntegerMatMulDynamic>::get(); }
const ort::CustomOp* integer_matmul_dynamic_kernel_op() {
  return CustomOpOf<KernelNameOf<IntegerMatMulDynamic>>::get();
}

}  // namespace qc
