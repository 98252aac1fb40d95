// What an integer operator keeps from its creation: the weight, the kernels and the sums of weights.
#pragma once

#include <cstdint>
#include <vector>

#include "base/code_range.h"
#include "base/integer_weight.h"
#include "kernels/decode_panel/dispatch.h"
#include "kernels/integer_gemm/dispatch.h"
#include "kernels/integer_gemv/dispatch.h"

namespace qc {

struct IntegerLayer {
  IntegerWeight weight;
  DecodePanel decode;
  IntegerGemm multiply;
  IntegerGemv multiply_few;
  size_t few_rows;              // up to so many rows of x multiply_few can run and is the faster one
  size_t short_steps;           // see integer_gemm.h
  float largest;                // no value is larger in size before a residual is added
  std::vector<int32_t> starts;  // where the sum of each output starts: -x_zero_point * the sum of its weights
};

// What becomes of each sum, and where it goes.
struct IntegerOutput {
  void* y;
  bool is_float;
  const uint8_t* residual;  // shaped like y, or null
  float residual_scale;
  CodeRange range;
  const CodedRow* rows = nullptr;  // what the rows of x say of themselves, or null: see integer_gemm.h
};

// Throws std::bad_alloc.
IntegerLayer make_integer_layer(const IntegerWeight& weight, Isa isa);

// Neighbouring outputs of one group whose weights are decoded together.
struct OutputBlock {
  size_t first_output, outputs, vectors;
  PanelOfWeights panel;
};

// The operands of one block of outputs, up to whole vectors.
struct alignas(64) OutputOperands {
  int32_t start[kTileLanes * kPanelVectors];
  float scale[kTileLanes * kPanelVectors], bias[kTileLanes * kPanelVectors];
};
void copy_operands(const IntegerLayer& layer, const OutputBlock& block, OutputOperands* operands);

// What kernels are told of them; `position` is the first.
IntegerResults results_of(const IntegerLayer& layer, const OutputBlock& block, const OutputOperands& operands,
                          const IntegerOutput& output, size_t position);

// The same, so many positions further on.
void skip_positions(size_t positions, IntegerResults* results);

size_t output_blocks(const IntegerWeight& weight);  // of all groups
OutputBlock output_block(const IntegerWeight& weight, size_t index);

// The packed codes of as many outputs behind those of the block: what is decoded next.
BytesAhead codes_behind(const IntegerWeight& weight, const OutputBlock& block);

// The same of single vectors of outputs, for a weight of one group; and the bytes of their panel.
size_t output_vectors(const IntegerWeight& weight);
OutputBlock output_vector(const IntegerWeight& weight, size_t index);
size_t vector_panel_bytes(const IntegerWeight& weight);

}  // namespace qc
