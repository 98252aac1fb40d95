// Other axes for the same elements, as the standard operator Reshape has them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/shape.h"

namespace qc {

// What is wrong with `target` as the wanted axes: 0 is the size that the axis has, one -1 what is left.
// Absent means as they are.
std::string check_reshape(const char* name, const std::optional<Shape>& target, size_t least_axes,
                          size_t most_axes);

// Fills *to with the sizes of a tensor of `from` whose axes are `target`, or returns what is wrong.
std::string reshape(const char* name, const Shape& from, const Shape& target, Shape* to);

}  // namespace qc
