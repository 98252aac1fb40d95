// RuntimeInfo: no inputs; a uint8 tensor with JSON in UTF-8 that says which kernels there are here. Which of
// them a layer runs its own operator tells (ops/kernel_name.h). The library exports one symbol only, so
// Python asks through onnxruntime (docs/decisions/0003-runtime-info-operator.md).
#include "base/isa.h"
#include "compute/float_kernels.h"
#include "kernels/add_elements/dispatch.h"
#include "kernels/add_scaled/dispatch.h"
#include "kernels/codebook_depthwise/dispatch.h"
#include "kernels/codebook_gemm/dispatch.h"
#include "kernels/codebook_gemv/dispatch.h"
#include "kernels/integer_depthwise/dispatch.h"
#include "kernels/integer_gemm/dispatch.h"
#include "kernels/integer_gemv/dispatch.h"
#include "kernels/integer_popcount/dispatch.h"
#include "kernels/integer_winograd/dispatch.h"
#include "ops/kernel_name.h"
#include "ops/operators.h"

namespace qc {
namespace {

constexpr size_t kMaxBits = 8;

std::string quoted(const std::string& text) { return "\"" + text + "\""; }  // our names need no escapes

std::string as_json(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + quoted(name);
  return "[" + text + "]";
}

// The kernels of the integer operators, whatever the bits. Few rows of x of an IntegerMatMul run its own. A
// 3x3 convolution of few bits runs that of "IntegerConv winograd" where its weight and the size of x allow
// (compute/integer_winograd.h). Weights of one bit and codes of at most two run those of "popcount" where the
// sizes are large enough (compute/integer_popcount.h).
std::string integer_kernels_as_json(Isa isa) {
  const IntegerWinogradKernels winograd = get_integer_winograd(isa);
  const bool has_winograd = winograd.run != integer_winograd_scalar;  // which serves tests only
  const IntegerPopcountKernels popcount = get_integer_popcount(isa);
  const bool has_popcount = popcount.run != integer_popcount_scalar;  // the same
  return "\"IntegerMatMul\": " + as_json({get_integer_gemv(isa).name}) +
         ", \"IntegerProduct\": " + as_json({get_integer_gemm(isa).name}) + ", \"IntegerMatMul popcount\": " +
         as_json({has_popcount ? popcount.name : get_integer_gemv(isa).name}) +
         ", \"IntegerConv popcount\": " +
         as_json({has_popcount ? popcount.name : get_integer_gemm(isa).name}) +
         ", \"IntegerConv\": " + as_json({get_integer_gemm(isa).name}) + ", \"IntegerConv winograd\": " +
         as_json({has_winograd ? winograd.name : get_integer_gemm(isa).name}) +
         ", \"IntegerConv depthwise\": " + as_json({get_integer_depthwise(isa).name});
}

// The kernels of the packed operators for bits 1 to 8. For CodebookMatMul, that of few rows of x, where the
// rows of the weight are whole bytes; more rows run the kernel of CodebookConv. A convolution that
// is_depthwise (compute/depthwise.h) runs that of "CodebookConv depthwise". Those with x in bfloat16 run the
// same ones, but for many rows and convolutions that are not depthwise. The sparse operators have no
// bits: one kernel each.
std::string kernels_as_json(Isa isa) {
  constexpr size_t kWholeBytes = 8;  // columns
  std::vector<std::string> matmul, conv, depthwise;
  const std::string bfloat16 =
      get_bfloat16_kernels(isa, {nullptr, 0, 1, kWholeBytes, 1, nullptr}).many_rows.name;
  for (size_t bits = 1; bits <= kMaxBits; ++bits) {
    matmul.push_back(get_codebook_gemv(isa, bits, kWholeBytes).name);
    conv.push_back(get_codebook_gemm(isa).name);
    depthwise.push_back(get_codebook_depthwise(isa).name);
  }
  return "{\"CodebookMatMul\": " + as_json(matmul) + ", \"CodebookConv\": " + as_json(conv) +
         ", \"CodebookConv depthwise\": " + as_json(depthwise) +
         ", \"CodebookMatMulBfloat16\": " + as_json({bfloat16}) +
         ", \"CodebookConvBfloat16\": " + as_json({bfloat16}) +
         ", \"SparseMatMul\": " + as_json({get_add_elements(isa).name}) +
         ", \"SparseConv\": " + as_json({get_add_scaled(isa).name}) + ", " + integer_kernels_as_json(isa) +
         "}";
}

class RuntimeInfo {
 public:
  static constexpr const char* kName = "RuntimeInfo";
  static constexpr size_t kInputs = 0;
  static constexpr int kInputTypes[] = {ort::kUint8};  // none is asked for
  static constexpr int kOutputType = ort::kUint8;

  explicit RuntimeInfo(const Node&) {
    Isa isa;
    refuse_if(choose_isa(&isa));
    std::vector<std::string> isas;
    for (Isa available : available_isas()) isas.push_back(isa_name(available));
    json_ = "{\"version\": " + quoted(QC_VERSION) + ", \"isas\": " + as_json(isas) +
            ", \"isa\": " + quoted(isa_name(isa)) + ", \"kernels\": " + kernels_as_json(isa) + "}";
  }

  void compute(const Call& call) const { write_text(call, json_); }

 private:
  std::string json_;
};

}  // namespace

const ort::CustomOp* runtime_info_op() { return CustomOpOf<RuntimeInfo>::get(); }

}  // namespace qc
