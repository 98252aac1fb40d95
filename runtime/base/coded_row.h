// How the codes of one row of floats are to be read: a float is about (code - zero_point) * step.
#pragma once

#include <cstdint>

namespace qc {

struct CodedRow {
  float step;
  int32_t zero_point;
};

}  // namespace qc
