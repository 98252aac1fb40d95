// The one symbol that the library exports.
#include <initializer_list>

#include "base/onnxruntime_abi.h"
#include "ops/operators.h"

namespace {

using namespace qc;

constexpr const char* kDomain = "qcompile";

OrtStatus* add_operators(const ort::Api* api, OrtCustomOpDomain* domain) {
  for (const ort::CustomOp* op : {codebook_matmul_op(),
                                  codebook_conv_op(),
                                  codebook_matmul_bfloat16_op(),
                                  codebook_conv_bfloat16_op(),
                                  codebook_gather_op(),
                                  sparse_matmul_op(),
                                  sparse_conv_op(),
                                  integer_matmul_op(),
                                  integer_matmul_add_op(),
                                  integer_matmul_table_op(),
                                  integer_matmul_float_op(),
                                  integer_matmul_add_float_op(),
                                  integer_matmul_dynamic_op(),
                                  integer_conv_op(),
                                  integer_conv_add_op(),
                                  integer_conv_table_op(),
                                  integer_conv_float_op(),
                                  integer_add_op(),
                                  integer_global_average_pool_op(),
                                  integer_max_pool_op(),
                                  integer_product_op(),
                                  integer_product_float_op(),
                                  integer_table_op(),
                                  quantize_input_op(),
                                  quantize_layer_normalization_op(),
                                  quantize_softmax_op(),
                                  codebook_matmul_kernel_op(),
                                  codebook_conv_kernel_op(),
                                  codebook_matmul_bfloat16_kernel_op(),
                                  codebook_conv_bfloat16_kernel_op(),
                                  integer_matmul_kernel_op(),
                                  integer_matmul_dynamic_kernel_op(),
                                  integer_conv_kernel_op(),
                                  runtime_info_op()}) {
    if (OrtStatus* status = ort::CustomOpDomainAdd::call(api, domain, op)) return status;
  }
  return nullptr;
}

// An onnxruntime too old for our api: any older one can still make a status to say so.
OrtStatus* too_old(const ort::ApiBase* base) {
  for (uint32_t version = ort::kApiVersion - 1; version > 0; --version) {
    if (const ort::Api* api = base->GetApi(version)) {
      return ort::CreateStatus::call(
          api, ort::kFail, "qcompile: this onnxruntime is too old, wanted 1.17 or later. Update it");
    }
  }
  return nullptr;
}

}  // namespace

// Adds the domain `qcompile` to a session's options. The domain lives as long as the process: sessions keep
// pointers to it and to its operators, and onnxruntime does not say when the last one is gone.
extern "C" __attribute__((visibility("default"))) OrtStatus* RegisterCustomOps(OrtSessionOptions* options,
                                                                               const ort::ApiBase* base);

OrtStatus* RegisterCustomOps(OrtSessionOptions* options, const ort::ApiBase* base) {
  const ort::Api* api = base->GetApi(ort::kApiVersion);
  if (api == nullptr) return too_old(base);
  OrtCustomOpDomain* domain = nullptr;
  if (OrtStatus* status = ort::CreateCustomOpDomain::call(api, kDomain, &domain)) return status;
  OrtStatus* status = add_operators(api, domain);
  if (status == nullptr) status = ort::AddCustomOpDomain::call(api, options, domain);
  if (status != nullptr) ort::ReleaseCustomOpDomain::call(api, domain);
  return status;
}
