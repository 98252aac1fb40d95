// What the operators ask of onnxruntime, as C++: failures are exceptions here, and statuses at the border.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "base/code_range.h"
#include "base/convolution.h"
#include "base/corrections.h"
#include "base/integer_product.h"
#include "base/integer_weight.h"
#include "base/onnxruntime_abi.h"
#include "base/packed_weight.h"
#include "base/shape.h"
#include "compute/parallel.h"

namespace qc {

// Something a user can mend; the message is complete.
class Refusal : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws a Refusal unless the message is empty.
inline void refuse_if(const std::string& message) {
  if (!message.empty()) throw Refusal(message);
}

// Runs `body`; what it throws becomes a status. Nothing passes the border of the library any other way.
OrtStatus* as_status(const ort::Api* api, const std::function<void()>& body) noexcept;

// Throws what a status says, and releases it.
void check(const ort::Api* api, OrtStatus* status);

// A node while its kernel is created.
class Node {
 public:
  Node(const ort::Api* api, const OrtKernelInfo* info) : api_(api), info_(info) {}

  std::string name() const;
  std::optional<int64_t> attribute(const char* name) const;  // absent, or of another type: empty
  std::optional<Shape> attribute_array(const char* name) const;
  std::optional<float> attribute_float(const char* name) const;  // the same
  Operand operand(size_t input) const;
  void check_inputs(size_t wanted) const;
  WeightClaim weight_claim() const;
  CorrectionsClaim corrections_claim() const;
  ConvolutionClaim convolution_claim() const;
  IntegerWeightClaim integer_weight_claim() const;
  IntegerProductClaim integer_product_claim() const;
  const uint8_t* table(size_t input) const;    // of 256 codes; throws a Refusal, as does
  CodeRange code_range() const;                // throws a Refusal, as does
  float finite_float(const char* name) const;  // an attribute that must be there

 private:
  const ort::Api* api_;
  const OrtKernelInfo* info_;
};

// One call of a kernel.
class Call {
 public:
  Call(const ort::Api* api, OrtKernelContext* context) : api_(api), context_(context) {}

  Operand input(size_t index) const;
  void* output(const Shape& shape) const;
  Parallel parallel() const;

 private:
  const ort::Api* api_;
  OrtKernelContext* context_;
};

}  // namespace qc
