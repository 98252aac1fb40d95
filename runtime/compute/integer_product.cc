#include "compute/integer_product.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <new>

#include "base/scratch.h"

namespace qc {
namespace {

constexpr size_t kTaskProducts = size_t{1} << 20;  // a few microseconds: worth handing to a thread
constexpr size_t kTaskRows = 512;                  // so many that packing b costs little
constexpr size_t kLanes = 16;
constexpr size_t kBlockVectors = 4;
constexpr size_t kBlockOutputs = kLanes * kBlockVectors;
constexpr size_t kAlignment = 64;
constexpr float kSmall = 1e9f;  // below 2^31 whatever the rounding of the bound itself

size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }
size_t aligned(size_t bytes) { return divide_up(bytes, kAlignment) * kAlignment; }

// Some rows of a times some outputs of b.
struct Part {
  size_t matrix, first_output, outputs, first_row, rows;
};

// Operands of a block of outputs.
struct alignas(kAlignment) BlockOperands {
  int32_t sums[kBlockOutputs], start[kBlockOutputs];
  float scale[kBlockOutputs], bias[kBlockOutputs];
};

// One call of multiply_codes. Parts of one block of outputs follow each other: it is packed once.
class Multiplication {
 public:
  Multiplication(const CodesProduct& product, const ProductSizes& sizes, const uint8_t* a, const uint8_t* b,
                 void* y)
      : product_(product),
        sizes_(sizes),
        a_(a),
        b_(b),
        y_(y),
        columns_(divide_up(sizes.k, 4) * 4),
        blocks_(divide_up(sizes.n, kBlockOutputs)),
        runs_(std::max<size_t>(1, sizes.m / kTaskRows)),
        parts_(sizes.matrices * blocks_ * runs_),
        panel_bytes_(columns_ * kBlockOutputs),
        start_bytes_(aligned(most_rows() * sizeof(int32_t))),
        copy_bytes_(columns_ == sizes.k ? 0 : most_rows() * columns_) {}

  void run(const Parallel& parallel) const {
    const size_t products = std::max<size_t>(1, most_rows() * kBlockOutputs * sizes_.k);
    const size_t at_once = std::max<size_t>(1, kTaskProducts / products);
    std::atomic<bool> failed{false};
    parallel(divide_up(parts_, at_once), [&](size_t task) {
      try {
        run_parts(task * at_once, std::min(parts_, (task + 1) * at_once));
      } catch (const std::bad_alloc&) {
        failed = true;
      }
    });
    if (failed) throw std::bad_alloc();
  }

 private:
  size_t most_rows() const { return divide_up(sizes_.m, runs_); }

  Part part_at(size_t index) const {
    const size_t run = index % runs_, block = index / runs_ % blocks_, vectors = divide_up(sizes_.n, kLanes);
    const size_t first_output = block * vectors / blocks_ * kLanes;
    const size_t end_output = std::min((block + 1) * vectors / blocks_ * kLanes, sizes_.n);
    const size_t first_row = run * sizes_.m / runs_, end_row = (run + 1) * sizes_.m / runs_;
    return {index / runs_ / blocks_, first_output, end_output - first_output, first_row, end_row - first_row};
  }

  void run_parts(size_t first, size_t end) const {
    const size_t bytes = panel_bytes_ + sizeof(BlockOperands) + start_bytes_ + copy_bytes_;
    const Scratch scratch(divide_up(bytes, sizeof(float)));
    auto* const panel = reinterpret_cast<int8_t*>(scratch.data());
    for (size_t i = first; i < end; ++i) {
      const Part part = part_at(i);
      if (i == first || i % runs_ == 0) prepare(part, panel);
      multiply(part, panel);
    }
  }

  BlockOperands* operands(int8_t* panel) const {
    return reinterpret_cast<BlockOperands*>(panel + panel_bytes_);
  }

  // Packs b, and makes the parts of sums that belong to outputs.
  void prepare(const Part& part, int8_t* panel) const {
    BlockOperands& block = *operands(panel);
    const uint8_t* const b = b_ + offset_of_matrix(sizes_, sizes_.b, part.matrix);
    const CodesToPack source = {b + part.first_output * sizes_.b.column, part.outputs, sizes_.k,
                                sizes_.b.column, sizes_.b.row};
    product_.pack.run(source, panel, block.sums);
    const int32_t all_of_zero_point = static_cast<int32_t>(sizes_.k) * (product_.codes.b_zero_point - 128);
    for (size_t i = 0; i < kBlockOutputs; ++i) {
      block.start[i] =
          i < part.outputs ? -product_.codes.a_zero_point * (block.sums[i] - all_of_zero_point) : 0;
      block.scale[i] = product_.scale;
      block.bias[i] = product_.bias;
    }
  }

  void multiply(const Part& part, int8_t* panel) const {
    auto* const starts = reinterpret_cast<int32_t*>(operands(panel) + 1);
    const size_t offset = 0;
    const uint8_t* const a = a_ + offset_of_matrix(sizes_, sizes_.a, part.matrix);
    const RowsToSum source = {a + part.first_row * sizes_.a.row, part.rows, sizes_.k, sizes_.a.row};
    const int32_t factor = 128 - product_.codes.b_zero_point;
    if (factor != 0) product_.sum_rows.run(source, factor, starts);
    const bool is_copied = copy_bytes_ > 0;
    const uint8_t* const rows =
        is_copied ? copy_rows(source, reinterpret_cast<uint8_t*>(starts) + start_bytes_) : source.x;
    product_.multiply.run(panel, divide_up(part.outputs, kLanes),
                          {rows, part.rows, is_copied ? columns_ : source.stride, &offset, 1, columns_,
                           factor == 0 ? nullptr : starts},
                          results_of(part, *operands(panel)));
  }

  // Rows that are whole steps of four columns: zeros, whatever they meet, behind the last.
  uint8_t* copy_rows(const RowsToSum& source, uint8_t* copy) const {
    for (size_t p = 0; p < source.rows; ++p) {
      uint8_t* const end = std::copy_n(source.x + p * source.stride, source.columns, copy + p * columns_);
      std::fill(end, copy + (p + 1) * columns_, uint8_t{0});
    }
    return copy;
  }

  IntegerResults results_of(const Part& part, const BlockOperands& block) const {
    const size_t at =
        offset_of_matrix(sizes_, sizes_.y, part.matrix) + part.first_row * sizes_.y.row + part.first_output;
    const float largest = static_cast<float>(sizes_.k) * 65025.0f * std::abs(product_.scale);
    return {static_cast<uint8_t*>(y_) + at * (product_.is_float ? sizeof(float) : 1),
            product_.is_float,
            sizes_.y.row,
            part.outputs,
            block.start,
            block.scale,
            block.bias,
            nullptr,
            0.0f,
            product_.range.least,
            product_.range.most,
            largest + std::abs(product_.bias) < kSmall};
  }

  const CodesProduct& product_;
  const ProductSizes sizes_;
  const uint8_t* const a_;
  const uint8_t* const b_;
  void* const y_;
  const size_t columns_;  // padded to whole steps
  const size_t blocks_;   // of outputs
  const size_t runs_;     // of rows
  const size_t parts_;
  const size_t panel_bytes_, start_bytes_, copy_bytes_;
};

}  // namespace

void multiply_codes(const CodesProduct& product, const ProductSizes& sizes, const uint8_t* a,
                    const uint8_t* b, void* y, const Parallel& parallel) {
  if (sizes.matrices == 0 || sizes.m == 0 || sizes.n == 0) return;
  Multiplication(product, sizes, a, b, y).run(parallel);
}

}  // namespace qc
