// Compiled only with -DQCOMPILE_ORT_INCLUDE_DIR=...: our numbers against the official header. The header is
// in the global namespace and ours in qc::ort, so both can be seen at once.
#include "base/onnxruntime_abi.h"
#include "onnxruntime_c_api.h"

namespace {

#define QC_CHECK_ENTRY(entry, member)                                               \
  static_assert(offsetof(OrtApi, member) == qc::ort::entry::kIndex * sizeof(void*), \
                #member " stands elsewhere in this onnxruntime")
QC_CHECK_ENTRY(CreateStatus, CreateStatus);
QC_CHECK_ENTRY(GetErrorMessage, GetErrorMessage);
QC_CHECK_ENTRY(CreateCustomOpDomain, CreateCustomOpDomain);
QC_CHECK_ENTRY(CustomOpDomainAdd, CustomOpDomain_Add);
QC_CHECK_ENTRY(AddCustomOpDomain, AddCustomOpDomain);
QC_CHECK_ENTRY(GetTensorMutableData, GetTensorMutableData);
QC_CHECK_ENTRY(GetTensorElementType, GetTensorElementType);
QC_CHECK_ENTRY(GetDimensionsCount, GetDimensionsCount);
QC_CHECK_ENTRY(GetDimensions, GetDimensions);
QC_CHECK_ENTRY(GetTensorTypeAndShape, GetTensorTypeAndShape);
QC_CHECK_ENTRY(KernelInfoGetAttributeFloat, KernelInfoGetAttribute_float);
QC_CHECK_ENTRY(KernelInfoGetAttributeInt64, KernelInfoGetAttribute_int64);
QC_CHECK_ENTRY(KernelContextGetInput, KernelContext_GetInput);
QC_CHECK_ENTRY(KernelContextGetOutput, KernelContext_GetOutput);
QC_CHECK_ENTRY(ReleaseStatus, ReleaseStatus);
QC_CHECK_ENTRY(ReleaseTensorTypeAndShapeInfo, ReleaseTensorTypeAndShapeInfo);
QC_CHECK_ENTRY(ReleaseCustomOpDomain, ReleaseCustomOpDomain);
QC_CHECK_ENTRY(KernelInfoGetAttributeArrayInt64, KernelInfoGetAttributeArray_int64);
QC_CHECK_ENTRY(KernelInfoGetInputCount, KernelInfo_GetInputCount);
QC_CHECK_ENTRY(KernelInfoGetNodeName, KernelInfo_GetNodeName);
QC_CHECK_ENTRY(KernelInfoGetConstantInputTensor, KernelInfoGetConstantInput_tensor);
QC_CHECK_ENTRY(KernelContextParallelFor, KernelContext_ParallelFor);
#undef QC_CHECK_ENTRY

static_assert(offsetof(OrtCustomOp, KernelDestroy) == offsetof(qc::ort::CustomOp, KernelDestroy));
static_assert(offsetof(OrtCustomOp, CreateKernelV2) == offsetof(qc::ort::CustomOp, CreateKernelV2));
static_assert(offsetof(OrtCustomOp, KernelComputeV2) == offsetof(qc::ort::CustomOp, KernelComputeV2));
static_assert(offsetof(OrtCustomOp, GetEndVersion) == offsetof(qc::ort::CustomOp, GetEndVersion));
static_assert(ORT_INVALID_ARGUMENT == qc::ort::kInvalidArgument && ORT_FAIL == qc::ort::kFail);
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED == qc::ort::kAny);
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT == qc::ort::kFloat);
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 == qc::ort::kUint8);
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8 == qc::ort::kInt8);
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16 == qc::ort::kUint16);
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 == qc::ort::kInt32);
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 == qc::ort::kInt64);

}  // namespace
