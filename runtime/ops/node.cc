#include "ops/node.h"

#include <cmath>
#include <memory>
#include <new>

namespace qc {
namespace {

OrtStatus* status_of(const ort::Api* api, int code, const char* message) noexcept {
  return ort::CreateStatus::call(api, code, message);
}

// True if the call succeeded; a failure is released and forgotten.
bool succeeded(const ort::Api* api, OrtStatus* status) {
  if (status != nullptr) ort::ReleaseStatus::call(api, status);
  return status == nullptr;
}

ElementType element_type(int type) {
  if (type == ort::kFloat) return ElementType::float32;
  if (type == ort::kUint8) return ElementType::uint8;
  if (type == ort::kInt8) return ElementType::int8;
  if (type == ort::kUint16) return ElementType::uint16;
  if (type == ort::kInt32) return ElementType::int32;
  return type == ort::kInt64 ? ElementType::int64 : ElementType::other;
}

void read_type_and_shape(const ort::Api* api, const OrtTensorTypeAndShapeInfo* info, Operand* operand) {
  int type = 0;
  size_t rank = 0;
  check(api, ort::GetTensorElementType::call(api, info, &type));
  check(api, ort::GetDimensionsCount::call(api, info, &rank));
  operand->type = element_type(type);
  operand->shape.resize(rank);
  check(api, ort::GetDimensions::call(api, info, operand->shape.data(), rank));
}

Operand read_tensor(const ort::Api* api, const OrtValue* value) {
  OrtTensorTypeAndShapeInfo* info = nullptr;
  check(api, ort::GetTensorTypeAndShape::call(api, value, &info));
  const auto release = [api](OrtTensorTypeAndShapeInfo* held) {
    ort::ReleaseTensorTypeAndShapeInfo::call(api, held);
  };
  const std::unique_ptr<OrtTensorTypeAndShapeInfo, decltype(release)> owner(info, release);
  Operand operand;
  operand.constant = true;
  read_type_and_shape(api, info, &operand);
  void* data = nullptr;
  // The ABI has one accessor for reading and writing; we only read.
  check(api, ort::GetTensorMutableData::call(api, const_cast<OrtValue*>(value), &data));
  operand.data = data;
  return operand;
}

}  // namespace

OrtStatus* as_status(const ort::Api* api, const std::function<void()>& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const Refusal& refusal) {
    return status_of(api, ort::kInvalidArgument, refusal.what());
  } catch (const std::bad_alloc&) {
    return status_of(api, ort::kFail, "qcompile: out of memory");
  } catch (const std::exception& error) {
    return status_of(api, ort::kFail, error.what());
  } catch (...) {
    return status_of(api, ort::kFail, "qcompile: unknown error");
  }
}

void check(const ort::Api* api, OrtStatus* status) {
  if (status == nullptr) return;
  const std::string message = ort::GetErrorMessage::call(api, static_cast<const OrtStatus*>(status));
  ort::ReleaseStatus::call(api, status);
  throw std::runtime_error(message);
}

std::string Node::name() const {
  size_t size = 0;
  if (!succeeded(api_, ort::KernelInfoGetNodeName::call(api_, info_, static_cast<char*>(nullptr), &size)))
    return "";
  std::string name(size, '\0');
  if (!succeeded(api_, ort::KernelInfoGetNodeName::call(api_, info_, name.data(), &size))) return "";
  name.resize(size == 0 ? 0 : size - 1);  // without the terminating zero
  return name;
}

std::optional<int64_t> Node::attribute(const char* name) const {
  int64_t value = 0;
  if (!succeeded(api_, ort::KernelInfoGetAttributeInt64::call(api_, info_, name, &value))) return {};
  return value;
}

std::optional<float> Node::attribute_float(const char* name) const {
  float value = 0;
  if (!succeeded(api_, ort::KernelInfoGetAttributeFloat::call(api_, info_, name, &value))) return {};
  return value;
}

std::optional<Shape> Node::attribute_array(const char* name) const {
  size_t size = 0;
  if (!succeeded(api_, ort::KernelInfoGetAttributeArrayInt64::call(api_, info_, name,
                                                                   static_cast<int64_t*>(nullptr), &size)))
    return {};
  Shape values(size);
  if (size == 0) return values;
  if (!succeeded(api_, ort::KernelInfoGetAttributeArrayInt64::call(api_, info_, name, values.data(), &size)))
    return {};
  return values;
}

Operand Node::operand(size_t input) const {
  int constant = 0;
  const OrtValue* value = nullptr;
  check(api_, ort::KernelInfoGetConstantInputTensor::call(api_, info_, input, &constant, &value));
  return constant == 0 || value == nullptr ? Operand{} : read_tensor(api_, value);
}

void Node::check_inputs(size_t wanted) const {
  size_t inputs = 0;
  check(api_, ort::KernelInfoGetInputCount::call(api_, info_, &inputs));
  if (inputs == wanted) return;
  throw Refusal("the node has " + std::to_string(inputs) + " inputs, wanted " + std::to_string(wanted));
}

ConvolutionClaim Node::convolution_claim() const {
  return {attribute_array("strides"), attribute_array("pads"), attribute_array("dilations"),
          attribute("group")};
}

CorrectionsClaim Node::corrections_claim() const {
  check_inputs(4);
  return {attribute("format_version"), attribute_array("weight_shape"), operand(2), operand(3)};
}

WeightClaim Node::weight_claim() const {
  check_inputs(5);
  WeightClaim claim;
  claim.format_version = attribute("format_version");
  claim.bits = attribute("bits");
  claim.weight_shape = attribute_array("weight_shape");
  claim.indices = operand(1);
  claim.codebook = operand(2);
  claim.scale = operand(3);
  claim.bias = operand(4);
  return claim;
}

IntegerWeightClaim Node::integer_weight_claim() const {
  IntegerWeightClaim claim;
  claim.format_version = attribute("format_version");
  claim.bits = attribute("bits");
  claim.x_zero_point = attribute("x_zero_point");
  claim.x_bits = attribute("x_bits");
  claim.weight_shape = attribute_array("weight_shape");
  claim.indices = operand(1);
  claim.codebook = operand(2);
  claim.scale = operand(3);
  claim.bias = operand(4);
  return claim;
}

IntegerProductClaim Node::integer_product_claim() const {
  return {attribute("a_zero_point"),  attribute("b_zero_point"),  attribute("a_bits"),
          attribute_array("a_perm"),  attribute_array("b_perm"),  attribute_array("y_perm"),
          attribute_array("a_shape"), attribute_array("b_shape"), attribute_array("y_shape")};
}

const uint8_t* Node::table(size_t input) const {
  constexpr int64_t kEntries = 256;
  const Operand table = operand(input);
  if (!table.constant)
    throw Refusal("input " + std::to_string(input) +
                  " (table) must be an initializer; the library reads it once, at load");
  if (table.type != ElementType::uint8 || table.shape != Shape{kEntries})
    throw Refusal("table is uint8 [256], found " + as_text(table) + kRepack);
  return static_cast<const uint8_t*>(table.data);
}

CodeRange Node::code_range() const {
  CodeRange range;
  refuse_if(check_code_range(attribute("y_min"), attribute("y_max"), &range));
  return range;
}

float Node::finite_float(const char* name) const {
  const std::optional<float> value = attribute_float(name);
  if (!value) throw Refusal(std::string("attribute ") + name + " is missing, wanted a float");
  if (!std::isfinite(*value)) throw Refusal(std::string("attribute ") + name + " is not finite");
  return *value;
}

Operand Call::input(size_t index) const {
  const OrtValue* value = nullptr;
  check(api_, ort::KernelContextGetInput::call(api_, static_cast<const OrtKernelContext*>(context_), index,
                                               &value));
  if (value == nullptr) throw Refusal("input " + std::to_string(index) + " is missing");
  return read_tensor(api_, value);
}

void* Call::output(const Shape& shape) const {
  OrtValue* value = nullptr;
  check(api_,
        ort::KernelContextGetOutput::call(api_, context_, size_t{0}, shape.data(), shape.size(), &value));
  void* data = nullptr;
  check(api_, ort::GetTensorMutableData::call(api_, value, &data));
  return data;
}

Parallel Call::parallel() const {
  return [this](size_t count, const Task& task) {
    if (count == 1) return task(0);
    const auto run_one = [](void* user, size_t i) { (*static_cast<const Task*>(user))(i); };
    void* user = const_cast<Task*>(&task);
    // 0 batches: onnxruntime hands tasks out one by one.
    check(api_, ort::KernelContextParallelFor::call(api_, static_cast<const OrtKernelContext*>(context_),
                                                    static_cast<void (*)(void*, size_t)>(run_one), count,
                                                    size_t{0}, user));
  };
}

}  // namespace qc
