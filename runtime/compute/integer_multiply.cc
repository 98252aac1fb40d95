#include "compute/integer_multiply.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "base/scratch.h"

namespace qc {
namespace {

constexpr size_t kTaskProducts = size_t{1} << 21;     // a few microseconds: worth handing to a thread
constexpr size_t kFewTaskProducts = size_t{1} << 19;  // they take longer each
constexpr size_t kTaskPositions = 512;                // so many that decoding a weight costs little
constexpr size_t kLanes = kTileLanes * kPanelVectors;

size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }

// Panels of runs that are no multiple of four columns: each run begins with a new dword in each lane, and
// behind its last column the weights are zero.
void pad_runs(size_t lanes, size_t runs, size_t run, const int8_t* decoded, int8_t* panel) {
  for (size_t column = 0; column < runs * run; column += run) {
    for (size_t done = 0; done < run; done += 4, panel += lanes * 4) {
      const size_t first = column + done, shift = first % 4 * 8, present = std::min<size_t>(4, run - done);
      const uint32_t mask = static_cast<uint32_t>((uint64_t{1} << present * 8) - 1);
      const bool crosses = first % 4 + present > 4;  // into the next dword
      for (size_t i = 0; i < lanes; ++i) {
        uint32_t low, high = 0;
        std::memcpy(&low, decoded + (first / 4 * lanes + i) * 4, 4);
        if (crosses) std::memcpy(&high, decoded + ((first / 4 + 1) * lanes + i) * 4, 4);
        const auto joined = static_cast<uint32_t>((uint64_t{high} << 32 | low) >> shift) & mask;
        std::memcpy(panel + i * 4, &joined, 4);
      }
    }
  }
}

// One call of multiply_integers. A part is some blocks of positions of one block of outputs.
class IntegerProduct {
 public:
  IntegerProduct(const IntegerLayer& layer, const IntegerGeometry& geometry, const uint8_t* x,
                 const IntegerOutput& output)
      : layer_(layer),
        output_(output),
        positions_(geometry, x, layer.weight.x_zero_point, most_positions(layer)),
        runs_(std::max<size_t>(1, positions_.blocks() / blocks_in_part(layer))),
        parts_(output_blocks(layer.weight) * runs_),
        decoded_bytes_(divide_up(layer.weight.columns, kTileLanes) * kTileLanes * kLanes),
        panel_bytes_(decoded_bytes_ + padded_bytes(positions_)) {}

  void run(const Parallel& parallel) const {
    if (positions_.blocks() == 0) return;
    const size_t products =
        divide_up(positions_.blocks(), runs_) * positions_.positions() * kLanes * layer_.weight.columns;
    const size_t parts_of_task = std::max<size_t>(1, kTaskProducts / products);
    std::atomic<bool> failed{false};
    parallel(divide_up(parts_, parts_of_task), [&](size_t task) {
      const size_t first = task * parts_of_task;
      try {
        run_parts(first, std::min(first + parts_of_task, parts_));
      } catch (const std::bad_alloc&) {
        failed = true;
      }
    });
    if (failed) throw std::bad_alloc();
  }

 private:
  static size_t most_positions(const IntegerLayer& layer) {
    return std::max(kTaskPositions, kTaskProducts / kLanes / layer.weight.columns);
  }
  size_t blocks_in_part(const IntegerLayer& layer) const {
    return std::max<size_t>(1, most_positions(layer) / positions_.positions());
  }

  static size_t padded_bytes(const IntegerPositions& positions) {
    const size_t run = positions.run_columns();
    return run % 4 == 0 ? 0 : positions.runs() * divide_up(run, 4) * 4 * kLanes;
  }

  void run_parts(size_t first, size_t end) const {
    const Scratch scratch(
        divide_up(panel_bytes_ + sizeof(OutputOperands) + positions_.scratch_bytes(), sizeof(float)));
    auto* const panel = reinterpret_cast<int8_t*>(scratch.data());
    for (size_t part = first; part < end; ++part) {
      const OutputBlock block = output_block(layer_.weight, part / runs_);
      if (part == first || part % runs_ == 0) prepare(block, panel);
      run_part(block, part % runs_, panel);
    }
  }

  OutputOperands* operands(int8_t* panel) const {
    return reinterpret_cast<OutputOperands*>(panel + panel_bytes_);
  }

  void prepare(const OutputBlock& block, int8_t* panel) const {
    const size_t run = positions_.run_columns();
    int8_t* const decoded = run % 4 == 0 ? panel : panel + panel_bytes_ - decoded_bytes_;
    layer_.decode.run(layer_.weight.tiles, block.panel, decoded);
    if (run % 4 != 0) pad_runs(block.vectors * kTileLanes, positions_.runs(), run, decoded, panel);
    copy_operands(layer_, block, operands(panel));
  }

  void run_part(const OutputBlock& block, size_t run, int8_t* panel) const {
    const size_t blocks = positions_.blocks();
    auto* const scratch = reinterpret_cast<uint8_t*>(operands(panel) + 1);
    const size_t group = block.first_output / (layer_.weight.outputs / layer_.weight.groups);
    const Target target = {this, &block, panel,
                           run + 1 == runs_ ? codes_behind(layer_.weight, block) : BytesAhead{}};
    for (size_t i = run * blocks / runs_; i < (run + 1) * blocks / runs_; ++i)
      positions_.for_each_part(i, group, scratch,
                               [&target](const PositionLines& lines) { target.multiply(lines); });
  }

  struct Target {
    const IntegerProduct* product;
    const OutputBlock* block;
    int8_t* panel;
    BytesAhead next;  // while the last positions of the block are multiplied

    void multiply(const PositionLines& lines) const {
      const IntegerLayer& layer = product->layer_;
      IntegerRows rows = lines.rows;
      rows.short_steps = layer.short_steps;
      IntegerResults results =
          results_of(layer, *block, *product->operands(panel), product->output_, lines.first);
      for (size_t line = 0; line < lines.lines; ++line) {
        if (line > 0) rows.x += lines.x_pitch, skip_positions(lines.y_pitch, &results);
        const size_t begin = line * next.count / lines.lines, end = (line + 1) * next.count / lines.lines;
        rows.ahead = {next.first + begin, end - begin};
        layer.multiply.run(panel, block->vectors, rows, results);
      }
    }
  };

  const IntegerLayer& layer_;
  const IntegerOutput& output_;
  const IntegerPositions positions_;
  const size_t runs_;  // parts of a block of outputs
  const size_t parts_;
  const size_t decoded_bytes_;
  const size_t panel_bytes_;  // with those of its padded runs
};

// Rows of x as integer_gemv wants them: in x itself, or copied with zeros behind the last column.
struct PaddedRows {
  PaddedRows(size_t m, size_t k, const uint8_t* x)
      : stride(divide_up(k, kTileLanes) * kTileLanes),
        rows(x),
        scratch(stride == k ? 0 : divide_up(m * stride, sizeof(float))) {
    if (stride == k) return;
    auto* const copy = reinterpret_cast<uint8_t*>(scratch.data());
    for (size_t p = 0; p < m; ++p)
      std::fill(std::copy_n(x + p * k, k, copy + p * stride), copy + (p + 1) * stride, uint8_t{0});
    rows = copy;
  }
  size_t stride;
  const uint8_t* rows;
  Scratch scratch;
};

void multiply_few(const IntegerLayer& layer, size_t m, size_t k, const uint8_t* x,
                  const IntegerOutput& output, const Parallel& parallel) {
  const PaddedRows padded(m, k, x);
  const size_t blocks = output_blocks(layer.weight), products = m * kLanes * layer.weight.columns;
  const size_t at_once = std::max<size_t>(1, kFewTaskProducts / products);
  parallel(divide_up(blocks, at_once), [&](size_t task) {
    OutputOperands operands;
    for (size_t i = task * at_once; i < std::min(blocks, (task + 1) * at_once); ++i) {
      const OutputBlock block = output_block(layer.weight, i);
      copy_operands(layer, block, &operands);
      for (size_t p = 0; p < m; p += kIntegerGemvRows)
        layer.multiply_few.run(layer.weight.tiles, block.panel, std::min(kIntegerGemvRows, m - p),
                               padded.rows + p * padded.stride, padded.stride,
                               results_of(layer, block, operands, output, p));
    }
  });
}

size_t count_positions(const IntegerGeometry& geometry) {
  return geometry.batch * static_cast<size_t>(geometry.output[0] * geometry.output[1]);
}

bool has_few_rows(const IntegerLayer& layer, const IntegerGeometry& geometry) {
  return count_positions(geometry) <= layer.few_rows && is_product(geometry);
}

}  // namespace

void multiply_integers(const IntegerLayer& layer, const IntegerGeometry& geometry, const uint8_t* x,
                       const IntegerOutput& output, const Parallel& parallel) {
  const size_t m = count_positions(geometry);
  if (m == 0) return;
  if (has_few_rows(layer, geometry)) return multiply_few(layer, m, geometry.channels, x, output, parallel);
  IntegerProduct(layer, geometry, x, output).run(parallel);
}

const char* name_of_product(const IntegerLayer& layer, const IntegerGeometry& geometry) {
  return has_few_rows(layer, geometry) ? layer.multiply_few.name : layer.multiply.name;
}

}  // namespace qc
