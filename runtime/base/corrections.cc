#include "base/corrections.h"

#include <algorithm>

#include "base/checked_arithmetic.h"

namespace qc {
namespace {

std::string check_weight_shape(const std::optional<Shape>& shape) {
  if (!shape) return "attribute weight_shape is missing, wanted the sizes of the weight";
  bool in_range = shape->size() >= 2;
  for (int64_t size : *shape) in_range = in_range && size >= 1 && size <= kMaxSize;
  if (in_range) return "";
  return "weight_shape is " + as_text(*shape) + ", wanted 2 or more sizes, each from 1 to " +
         std::to_string(kMaxSize);
}

std::string check_operands(const CorrectionsClaim& claim) {
  const Operand &gaps = claim.gaps, &values = claim.values;
  if (!gaps.constant) return "input 2 (gaps) must be an initializer; the library reads it once, at load";
  if (!values.constant) return "input 3 (values) must be an initializer; the library reads it once, at load";
  if (gaps.type != ElementType::uint16 || gaps.shape.size() != 1 || gaps.shape[0] < 0)
    return "gaps are uint16 [count], found " + as_text(gaps) + kRepack;
  if (values.type != ElementType::float32 || values.shape != gaps.shape)
    return "values are float32 " + as_text(gaps.shape) + ", found " + as_text(values) + kRepack;
  return check_finite("values", values);
}

// Rising places in the flattened weight as rows and columns.
std::string read_places(const Operand& gaps, Corrections* corrections) {
  const auto* gap = static_cast<const uint16_t*>(gaps.data);
  const auto count = static_cast<size_t>(gaps.shape[0]);
  corrections->rows.reserve(count);
  corrections->places.reserve(count);
  // Memory holds fewer than 2^47 gaps, each below 2^16: their sum fits.
  size_t place = 0;
  for (size_t i = 0; i < count; ++i, ++place) {
    place += gap[i];
    const size_t row = place / corrections->columns;
    if (row >= corrections->outputs)
      return "correction " + std::to_string(i) + " of " + std::to_string(count) + " is at weight " +
             std::to_string(place) + " of " + as_text(corrections->shape) + kRepack;
    corrections->rows.push_back(static_cast<uint32_t>(row));
    corrections->places.push_back(static_cast<uint32_t>(place % corrections->columns));
  }
  return "";
}

}  // namespace

SparseElements Corrections::elements(size_t first, size_t count) const {
  const auto begin = std::lower_bound(rows.begin(), rows.end(), first),
             end = std::lower_bound(begin, rows.end(), first + count);
  const auto skipped = begin - rows.begin();
  return {static_cast<size_t>(end - begin), rows.data() + skipped, places.data() + skipped, values + skipped};
}

std::string check_corrections(const CorrectionsClaim& claim, Corrections* corrections) {
  std::string error = check_format_version(claim.format_version);
  if (error.empty()) error = check_weight_shape(claim.weight_shape);
  if (error.empty()) error = check_operands(claim);
  if (!error.empty()) return error;
  const Shape& shape = *claim.weight_shape;
  size_t columns = 0;
  if (!checked_product(shape.data() + 1, shape.size() - 1, &columns) || columns > UINT32_MAX)
    return "weight_shape is " + as_text(shape) + ": its rows are too long";
  *corrections = {};
  corrections->outputs = static_cast<size_t>(shape[0]);
  corrections->columns = columns;
  corrections->shape = shape;
  corrections->values = static_cast<const float*>(claim.values.data);
  return read_places(claim.gaps, corrections);
}

}  // namespace qc
