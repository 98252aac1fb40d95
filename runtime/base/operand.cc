#include "base/operand.h"

#include <cmath>

#include "base/checked_arithmetic.h"

namespace qc {
namespace {

constexpr int64_t kFormatVersion = 1;

const char* type_name(ElementType type) {
  if (type == ElementType::float32) return "float32";
  if (type == ElementType::uint8) return "uint8";
  if (type == ElementType::int8) return "int8";
  if (type == ElementType::uint16) return "uint16";
  if (type == ElementType::int32) return "int32";
  if (type == ElementType::int64) return "int64";
  return "of another type";
}

}  // namespace

std::string as_text(const Operand& operand) {
  return std::string(type_name(operand.type)) + " " + as_text(operand.shape);
}

std::string check_format_version(const std::optional<int64_t>& version) {
  if (version.value_or(kFormatVersion) == kFormatVersion) return "";
  return "format_version is " + std::to_string(*version) + ", this library reads " +
         std::to_string(kFormatVersion) + ". Update qcompile, or compile the model again";
}

std::string check_finite(const char* name, const Operand& operand) {
  size_t count = 0;
  if (!checked_product(operand.shape.data(), operand.shape.size(), &count))
    return "the size of an operand overflows";
  const auto* values = static_cast<const float*>(operand.data);
  for (size_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i]))
      return std::string(name) + " has a value that is not finite, at element " + std::to_string(i) + kRepack;
  }
  return "";
}

}  // namespace qc
