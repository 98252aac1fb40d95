// Makes an OrtCustomOp of a kernel class. A Kernel has
//   static constexpr const char* kName; static constexpr size_t kInputs; static constexpr int kInputTypes[],
//   kOutputType; Kernel(const Node&)            throws Refusal; what it says is prefixed with the node's name
//   void compute(const Call&)      const: onnxruntime may call it from several threads at once
#pragma once

#include <limits>
#include <memory>
#include <string>

#include "ops/node.h"

namespace qc {

template <typename Kernel>
class CustomOpOf {
 public:
  // Lives as long as the process: sessions keep pointers to it.
  static const ort::CustomOp* get() {
    static const ort::CustomOp op = make();
    return &op;
  }

 private:
  struct Held {
    const ort::Api* api;
    std::string prefix;
    Kernel kernel;
  };

  static std::string prefix_of(const Node& node) {
    const std::string name = node.name();
    return (name.empty() ? std::string("a node of type ") + Kernel::kName : name) + ": ";
  }

  template <typename Body>
  static auto with_prefix(const std::string& prefix, const Body& body) {
    try {
      return body();
    } catch (const Refusal& refusal) {
      throw Refusal(prefix + refusal.what());
    }
  }

  static OrtStatus* create(const ort::CustomOp*, const ort::Api* api, const OrtKernelInfo* info,
                           void** kernel) {
    return as_status(api, [&] {
      const Node node(api, info);
      const std::string prefix = prefix_of(node);
      *kernel = with_prefix(prefix, [&] {
                  return std::make_unique<Held>(Held{api, prefix, Kernel(node)});
                }).release();
    });
  }

  static OrtStatus* compute(void* kernel, OrtKernelContext* context) {
    const Held& held = *static_cast<const Held*>(kernel);
    return as_status(
        held.api, [&] { with_prefix(held.prefix, [&] { held.kernel.compute(Call(held.api, context)); }); });
  }

  static ort::CustomOp make() {
    using Op = const ort::CustomOp*;
    ort::CustomOp op = {};
    op.version = ort::kApiVersion;
    op.GetName = [](Op) { return Kernel::kName; };
    op.GetExecutionProviderType = [](Op) { return static_cast<const char*>(nullptr); };  // the CPU
    op.GetInputTypeCount = [](Op) { return Kernel::kInputs; };
    op.GetInputType = [](Op, size_t input) { return Kernel::kInputTypes[input]; };
    op.GetOutputTypeCount = [](Op) { return size_t{1}; };
    op.GetOutputType = [](Op, size_t) { return Kernel::kOutputType; };
    op.KernelDestroy = [](void* kernel) { delete static_cast<Held*>(kernel); };
    // 0: a required input or output, in memory of the default kind, not variadic.
    op.GetInputCharacteristic = op.GetOutputCharacteristic =
        op.GetInputMemoryType = [](Op, size_t) { return 0; };
    op.GetVariadicInputMinArity = op.GetVariadicInputHomogeneity = [](Op) { return 0; };
    op.GetVariadicOutputMinArity = op.GetVariadicOutputHomogeneity = [](Op) { return 0; };
    op.CreateKernelV2 = create;
    op.KernelComputeV2 = compute;
    op.GetStartVersion = [](Op) { return 1; };
    op.GetEndVersion = [](Op) { return std::numeric_limits<int>::max(); };
    return op;
  }
};

}  // namespace qc
