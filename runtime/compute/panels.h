// The second operand of codebook_gemm, in panels: how x of a MatMul or a convolution becomes columns x
// positions.
#pragma once

#include <cstddef>

#include "base/convolution.h"

namespace qc {

// Columns [first_column, + columns) of positions [first_position, + positions) of a group.
struct PanelBlock {
  size_t group;
  size_t first_position, positions;
  size_t first_column, columns;
  size_t stride;  // at least positions
};

class Panels {
 public:
  // panel[j * stride + p] = the block's column j at its position p, zero for p in [positions, stride).
  virtual void fill(const PanelBlock& block, float* panel) const = 0;

 protected:
  ~Panels() = default;
};

// x [m, k]: position p is row p.
class MatMulPanels final : public Panels {
 public:
  MatMulPanels(const float* x, size_t k) : x_(x), k_(k) {}
  void fill(const PanelBlock& block, float* panel) const override;

 private:
  const float* x_;
  size_t k_;
};

// x [batch, channels, height, width]: positions count through batch, output height, output width; columns
// through the group's channels, kernel height, kernel width.
class ConvolutionPanels final : public Panels {
 public:
  ConvolutionPanels(const float* x, const Convolution& convolution, const ConvolutionSizes& sizes)
      : x_(x), convolution_(convolution), sizes_(sizes) {}
  void fill(const PanelBlock& block, float* panel) const override;

 private:
  // What one column of the panel reads: an element of the kernel, on one channel.
  struct Column {
    size_t channel;
    int64_t row_shift, column_shift;   // input = output * stride + shift
    int64_t inside_begin, inside_end;  // the output columns whose input column lies within the image
  };
  Column describe(size_t group, size_t column) const;
  bool is_shift() const;
  void fill_shifted(const PanelBlock& block, const Column& column, float* positions) const;
  void fill_by_rows(const PanelBlock& block, const Column& column, float* positions) const;
  void fill_run(const float* source, const Column& column, int64_t first, int64_t count, float* run) const;

  const float* x_;
  const Convolution& convolution_;
  const ConvolutionSizes& sizes_;
};

}  // namespace qc
