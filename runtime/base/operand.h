// An input of a node as it was found, and what messages say about it. Knows no onnxruntime.
#pragma once

#include <optional>
#include <string>

#include "base/shape.h"

namespace qc {

enum class ElementType { float32, uint8, int8, uint16, int32, int64, other };

struct Operand {
  bool constant = false;  // an initializer; the rest is meaningful only then
  ElementType type = ElementType::other;
  Shape shape;
  const void* data = nullptr;  // as many elements as the shape says
};

// How a message ends where the bytes of a file are not what its attributes say.
constexpr const char* kRepack = ". Was the file cut, or packed by another version? Compile the model again";

// "float32 [2, 3]"
std::string as_text(const Operand& operand);

// What is wrong with the attribute format_version, absent or not; empty where nothing is.
std::string check_format_version(const std::optional<int64_t>& version);

// Empty if every element of the float32 `operand` is finite; `name` is what a message calls it.
std::string check_finite(const char* name, const Operand& operand);

}  // namespace qc
