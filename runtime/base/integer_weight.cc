#include "base/integer_weight.h"

#include "base/checked_arithmetic.h"

namespace qc {
namespace {

constexpr size_t kBytesPerBit = kTileCodes / 8;

std::string found(const Operand& operand) { return ", found " + as_text(operand); }

std::string check_range(const char* name, const std::optional<int64_t>& value, int64_t least, int64_t most) {
  const std::string wanted = ", wanted an int from " + std::to_string(least) + " to " + std::to_string(most);
  if (!value) return std::string("attribute ") + name + " is missing" + wanted;
  if (*value >= least && *value <= most) return "";
  return std::string(name) + " is " + std::to_string(*value) + wanted;
}

std::string check_shape(const std::optional<Shape>& shape) {
  if (!shape) return "attribute weight_shape is missing, wanted the sizes of the weight";
  bool in_range = shape->size() >= 2;
  for (int64_t size : *shape) in_range = in_range && size >= 1 && size <= kMaxSize;
  if (!in_range)
    return "weight_shape is " + as_text(*shape) + ", wanted 2 or more sizes, each from 1 to " +
           std::to_string(kMaxSize);
  size_t columns = 0;
  if (checked_product(shape->data() + 1, shape->size() - 1, &columns) && columns <= kMaxTerms) return "";
  return "weight_shape is " + as_text(*shape) + ": at most " + std::to_string(kMaxTerms) +
         " products of a sum fit int32";
}

// The number of tiles; false if it overflows. A padded size is at most 2^31 + 14.
bool count_tiles(const IntegerWeight& weight, size_t* tiles) {
  size_t codes = 0;
  if (weight.is_depthwise) {
    if (!checked_multiply(weight.outputs, weight.columns, &codes)) return false;
    *tiles = codes / kTileCodes + (codes % kTileCodes != 0);
    return true;
  }
  const auto blocks = [](size_t size) { return size / kTileLanes + (size % kTileLanes != 0); };
  const size_t a_group = blocks(weight.outputs / weight.groups) * blocks(weight.columns);  // below 2^41
  return checked_multiply(weight.groups, a_group, tiles);
}

std::string check_indices(const Operand& indices, const IntegerWeight& weight) {
  if (!indices.constant)
    return "input 1 (indices) must be an initializer; the library reads it once, at load";
  size_t bytes = 0;
  if (!checked_multiply(weight.tiles.tile_count, kBytesPerBit * weight.tiles.bits, &bytes))
    return "weight_shape is " + as_text(weight.shape) + ": its size in bits overflows. The file is damaged";
  const Shape& shape = indices.shape;
  if (indices.type == ElementType::uint8 && shape.size() == 1 && shape[0] >= 0 &&
      static_cast<size_t>(shape[0]) == bytes)
    return "";
  return std::to_string(weight.tiles.bits) + "-bit tiles of weight " + as_text(weight.shape) +
         " are uint8 [" + std::to_string(bytes) + "]" + found(indices) + kRepack;
}

std::string check_codebook(const Operand& codebook, int64_t bits, int64_t outputs) {
  if (!codebook.constant)
    return "input 2 (codebook) must be an initializer; the library reads it once, at load";
  const int64_t entries = int64_t{1} << bits;
  const Shape& shape = codebook.shape;
  const bool absent = shape == Shape{0};
  const bool present = shape.size() == 2 && shape[0] >= 1 && shape[1] == entries && outputs % shape[0] == 0;
  if (codebook.type == ElementType::int8 && (absent || present)) return "";
  return "codebook is int8 [0] (absent) or [groups, " + std::to_string(entries) + "], groups a divisor of " +
         std::to_string(outputs) + found(codebook) + kRepack;
}

std::string check_per_output(const char* name, int input, const Operand& operand, int64_t outputs) {
  if (!operand.constant) return "input " + std::to_string(input) + " (" + name + ") must be an initializer";
  if (operand.type != ElementType::float32 || operand.shape != Shape{outputs})
    return std::string(name) + " is float32 [" + std::to_string(outputs) + "]" + found(operand) + kRepack;
  return check_finite(name, operand);
}

std::string check_operands(const IntegerWeightClaim& claim, const IntegerWeight& weight) {
  const auto outputs = static_cast<int64_t>(weight.outputs);
  std::string error = check_indices(claim.indices, weight);
  if (error.empty()) error = check_codebook(claim.codebook, *claim.bits, outputs);
  if (error.empty()) error = check_per_output("scale", 3, claim.scale, outputs);
  if (error.empty()) error = check_per_output("bias", 4, claim.bias, outputs);
  return error;
}

}  // namespace

std::string check_integer_attributes(const IntegerWeightClaim& claim) {
  std::string error = check_format_version(claim.format_version);
  if (error.empty()) error = check_range("bits", claim.bits, 1, 8);
  if (error.empty()) error = check_range("x_zero_point", claim.x_zero_point, 0, 255);
  if (error.empty()) error = check_range("x_bits", claim.x_bits.value_or(8), 1, 8);
  if (error.empty()) error = check_shape(claim.weight_shape);
  return error;
}

std::string check_integer_weight(const IntegerWeightClaim& claim, size_t groups, IntegerWeight* weight) {
  *weight = {};
  weight->shape = *claim.weight_shape;
  weight->outputs = static_cast<size_t>(weight->shape[0]);
  weight->groups = groups;
  weight->columns = 1;
  for (size_t axis = 1; axis < weight->shape.size(); ++axis)
    weight->columns *= static_cast<size_t>(weight->shape[axis]);
  weight->is_depthwise = groups > 1 && weight->shape[1] == 1;
  weight->x_zero_point = static_cast<uint8_t>(*claim.x_zero_point);
  weight->x_bits = static_cast<size_t>(claim.x_bits.value_or(8));
  weight->tiles.bits = static_cast<size_t>(*claim.bits);
  if (!count_tiles(*weight, &weight->tiles.tile_count))
    return "weight_shape is " + as_text(weight->shape) + ": its size overflows. The file is damaged";
  const std::string error = check_operands(claim, *weight);
  if (!error.empty()) return error;
  const bool has_codebook = claim.codebook.shape.size() == 2;
  weight->tiles.tiles = static_cast<const uint8_t*>(claim.indices.data);
  weight->tiles.codebook = has_codebook ? static_cast<const int8_t*>(claim.codebook.data) : nullptr;
  weight->tiles.outputs_per_codebook =
      has_codebook ? weight->outputs / static_cast<size_t>(claim.codebook.shape[0]) : weight->outputs;
  weight->scale = static_cast<const float*>(claim.scale.data);
  weight->bias = static_cast<const float*>(claim.bias.data);
  return "";
}

}  // namespace qc
