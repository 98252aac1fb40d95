#include "compute/integer_popcount.h"

#include <algorithm>
#include <atomic>
#include <new>

#include "base/scratch.h"
#include "compute/integer_planes.h"

namespace qc {
namespace {

constexpr size_t kMostPlanes = 2;
constexpr size_t kTaskProducts = size_t{1} << 23;  // of single bits: a few microseconds
constexpr size_t kUnpackRows = 4;       // to unpack a weight takes as long as to multiply it by so many
constexpr size_t kTaskPositions = 512;  // so many that unpacking a weight costs little
constexpr double kCallCycles = 2000;
constexpr size_t kLanes = kTileLanes * kPanelVectors;

size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }
size_t aligned(size_t bytes) { return divide_up(bytes, 64) * 64; }

// The operands of one block of outputs, up to whole vectors.
struct alignas(64) BlockOperands {
  OutputOperands outputs;
  int32_t low[kLanes], step[kLanes];
};

// One call of multiply_by_popcount. A part is a run of positions of one block of outputs.
class PopcountProduct {
 public:
  PopcountProduct(const IntegerPopcount& popcount, const IntegerLayer& layer, const IntegerGeometry& geometry,
                  const IntegerOutput& output)
      : popcount_(popcount),
        layer_(layer),
        output_(output),
        planes_(geometry, layer.weight, popcount.kernels.pack),
        runs_(std::max<size_t>(1, planes_.positions() / most_positions(layer))),
        panel_bytes_(planes_.runs() * popcount_pairs(planes_.run_words()) * kLanes * sizeof(uint32_t)),
        offsets_bytes_(aligned(planes_.runs() * sizeof(size_t))),
        sums_bytes_(
            aligned((planes_.positions() * layer.weight.groups + planes_.scratch_sums()) * sizeof(int32_t))) {
  }

  void run(const uint8_t* x, const Parallel& parallel) const {
    const Scratch scratch(divide_up(offsets_bytes_ + sums_bytes_ + planes_.bytes(), sizeof(float)), 1);
    auto* const bytes = reinterpret_cast<uint8_t*>(scratch.data());
    auto* const offsets = reinterpret_cast<size_t*>(bytes);
    auto* const sums = reinterpret_cast<int32_t*>(bytes + offsets_bytes_);
    uint8_t* const packed = bytes + offsets_bytes_ + sums_bytes_;
    planes_.fill_offsets(offsets);
    planes_.pack(x, packed, parallel);
    planes_.sum(popcount_.kernels.sum, packed, sums + planes_.positions() * layer_.weight.groups, sums,
                parallel);
    multiply({packed, offsets, sums}, parallel);
  }

 private:
  // What all parts read: x as planes, and the sums of its codes at each position, [group][position].
  struct Source {
    const uint8_t* packed;
    const size_t* offsets;
    const int32_t* sums;
  };

  void multiply(const Source& source, const Parallel& parallel) const {
    const size_t parts = output_blocks(layer_.weight) * runs_;
    const size_t rows = divide_up(planes_.positions(), runs_) * layer_.weight.x_bits + kUnpackRows;
    const size_t parts_of_task = std::max<size_t>(1, kTaskProducts / (rows * kLanes * layer_.weight.columns));
    std::atomic<bool> failed{false};
    parallel(divide_up(parts, parts_of_task), [&](size_t task) {
      const size_t first = task * parts_of_task;
      try {
        run_parts(source, first, std::min(first + parts_of_task, parts));
      } catch (const std::bad_alloc&) {
        failed = true;
      }
    });
    if (failed) throw std::bad_alloc();
  }

  static size_t most_positions(const IntegerLayer& layer) {
    return std::max(kTaskPositions, kTaskProducts / kLanes / layer.weight.columns);
  }

  void run_parts(const Source& source, size_t first, size_t end) const {
    const Scratch scratch(divide_up(panel_bytes_, sizeof(float)));
    auto* const panel = reinterpret_cast<uint32_t*>(scratch.data());
    BlockOperands operands;
    for (size_t part = first; part < end; ++part) {
      const OutputBlock block = output_block(layer_.weight, part / runs_);
      if (part == first || part % runs_ == 0) prepare(block, panel, &operands);
      run_part(block, part % runs_, source, panel, operands);
    }
  }

  void prepare(const OutputBlock& block, uint32_t* panel, BlockOperands* operands) const {
    popcount_.kernels.unpack_weights(layer_.weight.tiles, block.panel, planes_.run_words(), panel);
    copy_operands(layer_, block, &operands->outputs);
    std::fill_n(operands->low, kLanes, 0);
    std::fill_n(operands->step, kLanes, 0);
    std::copy_n(popcount_.low.data() + block.first_output, block.outputs, operands->low);
    std::copy_n(popcount_.step.data() + block.first_output, block.outputs, operands->step);
  }

  void run_part(const OutputBlock& block, size_t run, const Source& source, const uint32_t* panel,
                const BlockOperands& operands) const {
    const size_t all = planes_.positions(), end = (run + 1) * all / runs_;
    const size_t group = block.first_output / (layer_.weight.outputs / layer_.weight.groups);
    for (size_t first = run * all / runs_; first < end;) {
      const PopcountRows rows = planes_.rows_at(source.packed, source.offsets, group, first, end);
      popcount_.kernels.run(panel, block.vectors, rows,
                            {operands.low, operands.step, source.sums + group * all + first},
                            results_of(layer_, block, operands.outputs, output_, first));
      first += rows.positions;
    }
  }

  const IntegerPopcount& popcount_;
  const IntegerLayer& layer_;
  const IntegerOutput& output_;
  const IntegerPlanes planes_;
  const size_t runs_;  // parts of a block of outputs
  const size_t panel_bytes_, offsets_bytes_, sums_bytes_;
};

double as_double(size_t value) { return static_cast<double>(value); }

// Of all vectors of outputs.
double vectors_of(const IntegerWeight& weight) {
  return as_double(weight.groups * divide_up(weight.outputs / weight.groups, kTileLanes));
}

PopcountCosts costs_of(Isa isa) {
  if (includes(isa, Isa::avx512_vnni)) return {15, 2.1, 4, 3, 0.75, 7};
  if (includes(isa, Isa::avx_vnni)) return {130, 5, 8, 8, 5, 20};
  return {130, 13.3, 8, 8, 5, 20};
}

double cycles_of_popcount(const PopcountCosts& costs, const IntegerWeight& weight, const IntegerGeometry& g,
                          const IntegerPlanes& planes) {
  const double pairs = as_double(planes.runs() * popcount_pairs(planes.run_words()));
  const double bits = as_double(weight.x_bits), positions = as_double(planes.positions());
  const double of_vector = pairs * (costs.unpack + costs.pair * bits * positions) + costs.result * positions;
  const double of_pixel = 4 + bits * (4 + as_double(g.channels) / 32) + (planes.has_gaps() ? 10 : 0);
  const double taps = as_double(weight.columns / g.group_channels);
  return kCallCycles + vectors_of(weight) * of_vector + as_double(planes.scratch_sums()) * of_pixel +
         positions * taps / 2;
}

// Few rows of x have a kernel of their own.
double cycles_of_multiply(const PopcountCosts& costs, const IntegerLayer& layer, const IntegerGeometry& g,
                          const IntegerPlanes& planes) {
  const double tiles = as_double(divide_up(layer.weight.columns, kTileLanes));
  const double positions = as_double(planes.positions()), vectors = vectors_of(layer.weight);
  if (planes.positions() <= layer.few_rows && is_product(g)) return vectors * tiles * (2 + 2.4 * positions);
  return vectors * (tiles * (costs.decode + costs.tile * positions) + costs.dense_result * positions);
}

// Not mostly pads: they are written.
bool has_few_pads(const IntegerGeometry& g) {
  for (size_t axis = 0; axis < 2; ++axis) {
    const int64_t stride = g.kernel[axis] == 1 ? 1 : g.strides[axis];
    const int64_t padded = (g.output[axis] - 1) * stride + (g.kernel[axis] - 1) * g.dilations[axis] + 1;
    if (padded > 2 * g.input[axis] + 16) return false;
  }
  return true;
}

}  // namespace

IntegerPopcount make_integer_popcount(const IntegerLayer& layer, Isa isa) {
  const IntegerWeight& weight = layer.weight;
  const bool has_few_bits = weight.tiles.bits == 1 && weight.x_bits <= kMostPlanes && !weight.is_depthwise &&
                            weight.x_zero_point < size_t{1} << weight.x_bits;  // pads are codes too
  IntegerPopcount popcount = {has_few_bits, get_integer_popcount(isa), costs_of(isa), {}, {}};
  if (!has_few_bits) return popcount;
  for (size_t i = 0; i < weight.outputs; ++i) {
    const int8_t* const entries = weight.tiles.codebook + i / weight.tiles.outputs_per_codebook * 2;
    const bool is_absent = weight.tiles.codebook == nullptr;
    popcount.low.push_back(is_absent ? -1 : entries[0]);
    popcount.step.push_back(is_absent ? 1 : entries[1] - entries[0]);
  }
  return popcount;
}

bool can_count_bits(const IntegerPopcount& popcount, const IntegerGeometry& geometry) {
  return popcount.has_few_bits && has_planes(geometry) && has_few_pads(geometry);
}

// Where it is faster than the dense kernels it is faster than Winograd too: that takes 16 of 36 dot products,
// this as few or fewer, and both have to prepare x.
bool is_popcount_faster(const IntegerPopcount& popcount, const IntegerLayer& layer,
                        const IntegerGeometry& geometry) {
  if (!can_count_bits(popcount, geometry) || popcount.kernels.run == integer_popcount_scalar) return false;
  const IntegerPlanes planes(geometry, layer.weight, popcount.kernels.pack);
  return cycles_of_popcount(popcount.costs, layer.weight, geometry, planes) <
         cycles_of_multiply(popcount.costs, layer, geometry, planes);
}

void multiply_by_popcount(const IntegerPopcount& popcount, const IntegerLayer& layer,
                          const IntegerGeometry& geometry, const uint8_t* x, const IntegerOutput& output,
                          const Parallel& parallel) {
  const size_t m = geometry.batch * static_cast<size_t>(geometry.output[0] * geometry.output[1]);
  if (m == 0) return;
  PopcountProduct(popcount, layer, geometry, output).run(x, parallel);
}

}  // namespace qc
