// Operands with a float for each channel.
#pragma once

#include "ops/node.h"

namespace qc {

struct ChannelOperands {
  size_t channels;
  const float *scale, *bias;
};

inline Operand read_channels(const char* name, const Operand& operand) {
  if (!operand.constant)
    throw Refusal(std::string(name) + " must be an initializer; the library reads it once, at load");
  if (operand.type != ElementType::float32 || operand.shape.size() != 1)
    throw Refusal(std::string(name) + " is " + as_text(operand) + ", wanted float32 [channels]");
  refuse_if(check_finite(name, operand));
  return operand;
}

// Inputs 1 and 2 of a node: finite, and as many of both.
inline ChannelOperands read_scale_and_bias(const Node& node) {
  const Operand scale = read_channels("scale", node.operand(1)),
                bias = read_channels("bias", node.operand(2));
  if (scale.shape != bias.shape)
    throw Refusal("scale is " + as_text(scale) + " and bias " + as_text(bias) +
                  ", wanted the same [channels]");
  return {static_cast<size_t>(scale.shape[0]), static_cast<const float*>(scale.data),
          static_cast<const float*>(bias.data)};
}

}  // namespace qc
