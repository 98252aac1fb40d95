#include "base/packed_weight.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/checked_arithmetic.h"

namespace qc {
namespace {

constexpr int64_t kMaxBits = 8;

std::string found(const Operand& operand) { return ", found " + as_text(operand); }

// The bytes of the packed indices; false if the sizes overflow.
bool packed_size(const Shape& shape, int64_t bits, size_t* bytes) {
  size_t count = 0, total_bits = 0, rounded = 0;
  if (!checked_product(shape.data(), shape.size(), &count)) return false;
  if (!checked_multiply(count, static_cast<size_t>(bits), &total_bits)) return false;
  if (!checked_add(total_bits, 7, &rounded)) return false;
  *bytes = rounded / 8;
  return true;
}

std::string check_indices(const WeightClaim& claim, size_t* bytes) {
  const std::string weight = as_text(*claim.weight_shape);
  if (!packed_size(*claim.weight_shape, *claim.bits, bytes))
    return "weight_shape is " + weight + ": its size in bits overflows. The file is damaged";
  const Operand& indices = claim.indices;
  if (!indices.constant)
    return "input 1 (indices) must be an initializer; the library reads it once, at load";
  const Shape& shape = indices.shape;
  if (indices.type == ElementType::uint8 && shape.size() == 1 && shape[0] >= 0 &&
      static_cast<size_t>(shape[0]) == *bytes)
    return "";
  return std::to_string(*claim.bits) + "-bit indices of weight " + weight + " are uint8 [" +
         std::to_string(*bytes) + "]" + found(indices) + kRepack;
}

std::string check_codebook(const WeightClaim& claim) {
  const Operand& codebook = claim.codebook;
  if (!codebook.constant)
    return "input 2 (codebook) must be an initializer; the library reads it once, at load";
  const int64_t outputs = claim.weight_shape->front();
  const int64_t entries = int64_t{1} << *claim.bits;
  const Shape& shape = codebook.shape;
  if (codebook.type == ElementType::float32 && shape.size() == 2 && shape[0] >= 1 && shape[1] == entries &&
      outputs % shape[0] == 0)
    return "";
  return "codebook is float32 [groups, " + std::to_string(entries) + "], groups a divisor of " +
         std::to_string(outputs) + found(codebook) + kRepack;
}

std::string check_per_output(const char* name, int input, const Operand& operand, int64_t outputs) {
  if (!operand.constant)
    return "input " + std::to_string(input) + " (" + name +
           ") must be an initializer; [0] where it is absent";
  const bool fits = operand.type == ElementType::float32 && operand.shape.size() == 1 &&
                    (operand.shape[0] == 0 || operand.shape[0] == outputs);
  if (fits) return "";
  return std::string(name) + " is float32 [0] (absent) or [" + std::to_string(outputs) + "]" +
         found(operand) + kRepack;
}

const float* floats(const Operand& operand) { return static_cast<const float*>(operand.data); }

std::string check_ascending(const Operand& codebook) {
  const auto entries = static_cast<size_t>(codebook.shape[1]);
  const size_t count = static_cast<size_t>(codebook.shape[0]) * entries;
  for (size_t i = 0; i + 1 < count; ++i) {
    if ((i + 1) % entries != 0 && floats(codebook)[i] > floats(codebook)[i + 1])
      return "codebook decreases after element " + std::to_string(i) + ", wanted ascending rows" + kRepack;
  }
  return "";
}

const float* if_present(const Operand& operand) { return operand.shape[0] == 0 ? nullptr : floats(operand); }

}  // namespace

std::string check_weight_attributes(const WeightClaim& claim) {
  std::string error = check_format_version(claim.format_version);
  if (!error.empty()) return error;
  if (!claim.bits) return "attribute bits is missing, wanted an int from 1 to 8";
  if (*claim.bits < 1 || *claim.bits > kMaxBits)
    return "bits is " + std::to_string(*claim.bits) + ", wanted 1 to 8";
  if (!claim.weight_shape) return "attribute weight_shape is missing, wanted the sizes of the weight";
  const Shape& shape = *claim.weight_shape;
  bool in_range = shape.size() >= 2;
  for (int64_t size : shape) in_range = in_range && size >= 1 && size <= kMaxSize;
  if (in_range) return "";
  return "weight_shape is " + as_text(shape) + ", wanted 2 or more sizes, each from 1 to " +
         std::to_string(kMaxSize);
}

std::string check_packed_weight(const WeightClaim& claim, PackedWeight* weight) {
  std::string error = check_weight_attributes(claim);
  if (!error.empty()) return error;
  const Shape& shape = *claim.weight_shape;
  size_t index_bytes = 0, columns = 0;
  if (error = check_indices(claim, &index_bytes); !error.empty()) return error;
  if (error = check_codebook(claim); !error.empty()) return error;
  if (error = check_per_output("scale", 3, claim.scale, shape[0]); !error.empty()) return error;
  if (error = check_per_output("bias", 4, claim.bias, shape[0]); !error.empty()) return error;
  if (error = check_finite("codebook", claim.codebook); !error.empty()) return error;
  if (error = check_finite("scale", claim.scale); !error.empty()) return error;
  if (error = check_finite("bias", claim.bias); !error.empty()) return error;
  if (error = check_ascending(claim.codebook); !error.empty()) return error;
  if (!checked_product(shape.data() + 1, shape.size() - 1, &columns))
    return "the size of weight_shape overflows";
  const auto outputs = static_cast<size_t>(shape[0]);
  const size_t rows_per_codebook = outputs / static_cast<size_t>(claim.codebook.shape[0]);
  weight->rows = {static_cast<const uint8_t*>(claim.indices.data),
                  index_bytes,
                  static_cast<size_t>(*claim.bits),
                  columns,
                  rows_per_codebook,
                  floats(claim.codebook)};
  weight->outputs = outputs;
  weight->shape = shape;
  weight->scale = if_present(claim.scale);
  weight->bias = if_present(claim.bias);
  return "";
}

// Denormal ones are refused: the processor's own products would take them as zero.
std::string check_bfloat16_codebook(const PackedWeight& weight) {
  const size_t count = weight.outputs / weight.rows.rows_per_codebook << weight.rows.bits;
  for (size_t i = 0; i < count; ++i) {
    const float entry = weight.rows.codebook[i];
    uint32_t bits;
    std::memcpy(&bits, &entry, sizeof bits);
    if ((bits & 0xffffu) != 0 || (entry != 0 && std::abs(entry) < std::numeric_limits<float>::min()))
      return "codebook element " + std::to_string(i) + " is " + std::to_string(entry) +
             ", no bfloat16 value or a denormal one; wanted bfloat16 values, zero or normal" + kRepack;
  }
  return "";
}

}  // namespace qc
