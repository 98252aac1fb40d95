// The part of onnxruntime's C ABI that this library uses, declared by hand: no package registry ships the
// header. The order of the function table never changes, so these numbers hold for every onnxruntime
// from 1.17 on. Configure with -DQCOMPILE_ORT_INCLUDE_DIR=... to have them checked against the official
// header.
#pragma once

#include <cstddef>
#include <cstdint>

struct OrtStatus;
struct OrtSessionOptions;
struct OrtCustomOpDomain;
struct OrtValue;
struct OrtTensorTypeAndShapeInfo;
struct OrtKernelInfo;
struct OrtKernelContext;

namespace qc::ort {

constexpr uint32_t kApiVersion = 17;
constexpr int kFail = 1;             // OrtErrorCode
constexpr int kInvalidArgument = 2;  // OrtErrorCode
constexpr int kAny = 0;              // ONNXTensorElementDataType: undefined, which stands for all
constexpr int kFloat = 1;            // ONNXTensorElementDataType
constexpr int kUint8 = 2;            // ONNXTensorElementDataType
constexpr int kInt8 = 3;             // ONNXTensorElementDataType
constexpr int kUint16 = 4;           // ONNXTensorElementDataType
constexpr int kInt32 = 6;            // ONNXTensorElementDataType
constexpr int kInt64 = 7;            // ONNXTensorElementDataType

// A function table: pointers that are cast to the type of the function that stands at an index.
struct Api {
  void (*functions[276])();
};

struct ApiBase {
  const Api* (*GetApi)(uint32_t version);
  const char* (*GetVersionString)();
};

// One function of the table: its index and its type.
template <size_t index, typename Function>
struct Entry {
  static constexpr size_t kIndex = index;
  template <typename... Arguments>
  static auto call(const Api* api, Arguments... arguments) {
    return reinterpret_cast<Function*>(api->functions[index])(arguments...);
  }
};

using CreateStatus = Entry<0, OrtStatus*(int code, const char* message)>;
using GetErrorMessage = Entry<2, const char*(const OrtStatus*)>;
using CreateCustomOpDomain = Entry<26, OrtStatus*(const char* domain, OrtCustomOpDomain**)>;
using CustomOpDomainAdd = Entry<27, OrtStatus*(OrtCustomOpDomain*, const struct CustomOp*)>;
using AddCustomOpDomain = Entry<28, OrtStatus*(OrtSessionOptions*, OrtCustomOpDomain*)>;
using GetTensorMutableData = Entry<51, OrtStatus*(OrtValue*, void**)>;
using GetTensorElementType = Entry<60, OrtStatus*(const OrtTensorTypeAndShapeInfo*, int*)>;
using GetDimensionsCount = Entry<61, OrtStatus*(const OrtTensorTypeAndShapeInfo*, size_t*)>;
using GetDimensions = Entry<62, OrtStatus*(const OrtTensorTypeAndShapeInfo*, int64_t*, size_t)>;
using GetTensorTypeAndShape = Entry<65, OrtStatus*(const OrtValue*, OrtTensorTypeAndShapeInfo**)>;
using KernelInfoGetAttributeFloat = Entry<85, OrtStatus*(const OrtKernelInfo*, const char* name, float*)>;
using KernelInfoGetAttributeInt64 = Entry<86, OrtStatus*(const OrtKernelInfo*, const char* name, int64_t*)>;
using KernelContextGetInput = Entry<90, OrtStatus*(const OrtKernelContext*, size_t, const OrtValue**)>;
using KernelContextGetOutput =
    Entry<91, OrtStatus*(OrtKernelContext*, size_t, const int64_t* shape, size_t rank, OrtValue**)>;
using ReleaseStatus = Entry<93, void(OrtStatus*)>;
using ReleaseTensorTypeAndShapeInfo = Entry<99, void(OrtTensorTypeAndShapeInfo*)>;
using ReleaseCustomOpDomain = Entry<101, void(OrtCustomOpDomain*)>;
// With a null array it only gives the size.
using KernelInfoGetAttributeArrayInt64 =
    Entry<163, OrtStatus*(const OrtKernelInfo*, const char* name, int64_t*, size_t*)>;
using KernelInfoGetInputCount = Entry<230, OrtStatus*(const OrtKernelInfo*, size_t*)>;
using KernelInfoGetNodeName = Entry<244, OrtStatus*(const OrtKernelInfo*, char*, size_t*)>;
using KernelInfoGetConstantInputTensor =
    Entry<249, OrtStatus*(const OrtKernelInfo*, size_t, int* is_constant, const OrtValue**)>;
using KernelContextParallelFor = Entry<274, OrtStatus*(const OrtKernelContext*, void (*task)(void*, size_t),
                                                       size_t count, size_t batches, void*)>;

// An operator: what onnxruntime asks about it. Functions that stay null are optional in version 17.
struct CustomOp {
  uint32_t version;
  void* (*CreateKernel)(const CustomOp*, const Api*, const OrtKernelInfo*);
  const char* (*GetName)(const CustomOp*);
  const char* (*GetExecutionProviderType)(const CustomOp*);
  int (*GetInputType)(const CustomOp*, size_t);
  size_t (*GetInputTypeCount)(const CustomOp*);
  int (*GetOutputType)(const CustomOp*, size_t);
  size_t (*GetOutputTypeCount)(const CustomOp*);
  void (*KernelCompute)(void*, OrtKernelContext*);
  void (*KernelDestroy)(void*);
  int (*GetInputCharacteristic)(const CustomOp*, size_t);
  int (*GetOutputCharacteristic)(const CustomOp*, size_t);
  int (*GetInputMemoryType)(const CustomOp*, size_t);
  int (*GetVariadicInputMinArity)(const CustomOp*);
  int (*GetVariadicInputHomogeneity)(const CustomOp*);
  int (*GetVariadicOutputMinArity)(const CustomOp*);
  int (*GetVariadicOutputHomogeneity)(const CustomOp*);
  OrtStatus* (*CreateKernelV2)(const CustomOp*, const Api*, const OrtKernelInfo*, void**);
  OrtStatus* (*KernelComputeV2)(void*, OrtKernelContext*);
  OrtStatus* (*InferOutputShapeFn)(const CustomOp*, void* context);
  int (*GetStartVersion)(const CustomOp*);
  int (*GetEndVersion)(const CustomOp*);
  size_t (*GetMayInplace)(int**, int**);
  void (*ReleaseMayInplace)(int*, int*);
  size_t (*GetAliasMap)(int**, int**);
  void (*ReleaseAliasMap)(int*, int*);
};
static_assert(sizeof(void*) != 8 || sizeof(CustomOp) == 208, "the layout of OrtCustomOp");

}  // namespace qc::ort
