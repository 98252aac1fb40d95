// CodebookGather (docs/packed-format.md, section 8): the rows of a packed table that ids choose, as floats.
#include <vector>

#include "base/checked_arithmetic.h"
#include "compute/gather.h"
#include "ops/custom_op.h"
#include "ops/operators.h"

namespace qc {
namespace {

class CodebookGather {
 public:
  static constexpr const char* kName = "CodebookGather";
  static constexpr size_t kInputs = 5;
  static constexpr int kInputTypes[] = {ort::kAny, ort::kUint8, ort::kFloat, ort::kFloat, ort::kFloat};
  static constexpr int kOutputType = ort::kFloat;

  explicit CodebookGather(const Node& node) {
    refuse_if(check_packed_weight(node.weight_claim(), &weight_));
    if (weight_.shape.size() != 2)
      throw Refusal("weight_shape is " + as_text(weight_.shape) + ", wanted [rows, width]");
  }

  void compute(const Call& call) const {
    const Operand ids = call.input(0);
    Shape y_shape = ids.shape;
    y_shape.push_back(weight_.shape[1]);
    size_t count = 0, elements = 0, bytes = 0;
    if (!checked_product(ids.shape.data(), ids.shape.size(), &count) ||
        !checked_multiply(count, weight_.rows.columns, &elements) ||
        !checked_multiply(elements, sizeof(float), &bytes))
      throw Refusal("the output would be " + as_text(y_shape) + ": too large");
    const std::vector<size_t> rows = rows_of(ids, count);
    auto* y = static_cast<float*>(call.output(y_shape));
    gather_rows(weight_, count, rows.data(), y, call.parallel());
  }

 private:
  std::vector<size_t> rows_of(const Operand& ids, size_t count) const {
    if (ids.type == ElementType::int64) return rows_of(static_cast<const int64_t*>(ids.data), count);
    if (ids.type == ElementType::int32) return rows_of(static_cast<const int32_t*>(ids.data), count);
    throw Refusal("the ids are " + as_text(ids) + ", wanted int64 or int32");
  }

  // Negative ids count from the end.
  template <typename Id>
  std::vector<size_t> rows_of(const Id* ids, size_t count) const {
    const int64_t all = weight_.shape[0];
    std::vector<size_t> rows(count);
    for (size_t i = 0; i < count; ++i) {
      const int64_t id = ids[i];
      if (id < -all || id >= all)
        throw Refusal("id " + std::to_string(id) + " is outside a table of " + std::to_string(all) +
                      " rows, wanted " + std::to_string(-all) + " to " + std::to_string(all - 1));
      rows[i] = static_cast<size_t>(id < 0 ? id + all : id);
    }
    return rows;
  }

  PackedWeight weight_;
};

}  // namespace

const ort::CustomOp* codebook_gather_op() { return CustomOpOf<CodebookGather>::get(); }

}  // namespace qc
