#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "base/scratch.h"
#include "compute/integer_winograd.h"

namespace qc {
namespace {

constexpr size_t kTaps = 9, kTileOutputs = 4, kTilePixels = 16;
constexpr size_t kVectorBytes = 64;  // 16 outputs x 4 channels
constexpr size_t kTilesAtOnce = 8;   // of a tap, decoded and transformed
constexpr size_t kFewTiles = 8, kNarrowTiles = 16;
constexpr size_t kChunkBytes = size_t{1} << 20;  // of transformed codes: they come from a cache
constexpr size_t kChunkTiles = 256;  // so many in up to four times that: to transform a weight costs little
constexpr size_t kRunTiles = 192;    // of a part: the same
constexpr size_t kTaskBytes = size_t{1} << 17;     // of transformed codes: a few microseconds
constexpr size_t kTaskProducts = size_t{1} << 21;  // the same

size_t divide_up(size_t a, size_t b) { return a / b + (a % b != 0); }
size_t as_size(int64_t value) { return static_cast<size_t>(value); }

// Whether vectors of outputs are multiplied one by one: all tiles fit one strip of the kernel, which then
// reads a weight once; of fewer tiles each sum would wait for itself.
bool is_narrow(size_t tiles) { return tiles >= kFewTiles && tiles <= kNarrowTiles; }

// The starts of one block of outputs, up to whole vectors.
struct alignas(64) BlockStarts {
  int32_t start[kTileOutputs * kTileLanes * kPanelVectors];
};

// One call of convolve_winograd. Tiles of all images are counted through rows, and worked off in chunks.
class WinogradProduct {
 public:
  WinogradProduct(const IntegerWinograd& winograd, const IntegerLayer& layer, const IntegerGeometry& geometry,
                  const uint8_t* x, const IntegerOutput& output, const Parallel& parallel)
      : winograd_(winograd),
        layer_(layer),
        geometry_(geometry),
        x_(x),
        output_(output),
        parallel_(parallel),
        channels_(geometry.channels),
        tile_rows_(divide_up(as_size(geometry.output[0]), 2)),
        tile_columns_(divide_up(as_size(geometry.output[1]), 2)) {}

  void run() const {
    const size_t tiles = geometry_.batch * tile_rows_ * tile_columns_;
    if (tiles == 0) return;
    const size_t fitting = kChunkBytes / kWinogradPositions / channels_;
    const size_t most = std::max(fitting, std::min(kChunkTiles, 4 * fitting));
    const size_t chunks = divide_up(tiles, most);
    const size_t chunk_tiles = divide_up(tiles, chunks);
    // An odd number of cache lines: positions then lie in different sets.
    const size_t stride = (divide_up(chunk_tiles * channels_, kVectorBytes) | 1) * kVectorBytes;
    const size_t places = chunk_tiles * sizeof(WinogradPlace);
    const Scratch scratch(divide_up(stride * kWinogradPositions + places + channels_, sizeof(float)), 1);
    auto* const codes = reinterpret_cast<uint8_t*>(scratch.data());
    auto* const place = reinterpret_cast<WinogradPlace*>(codes + stride * kWinogradPositions);
    auto* const beyond = reinterpret_cast<uint8_t*>(place + chunk_tiles);
    std::memset(beyond, layer_.weight.x_zero_point, channels_);
    for (size_t first = 0; first < tiles; first += chunk_tiles) {
      const size_t count = std::min(chunk_tiles, tiles - first);
      transform_tiles(first, count, beyond, codes, stride, place);
      multiply({codes, count, channels_, stride, place, as_size(geometry_.output[1])});
    }
  }

 private:
  // Where d of a tile lies; `beyond` are the codes of a pixel beyond the image.
  void find_pixels(size_t image, int64_t row, int64_t column, const uint8_t* beyond,
                   const uint8_t* (&pixels)[kTilePixels]) const {
    const int64_t height = geometry_.input[0], width = geometry_.input[1];
    const auto pixel = [&](int64_t r, int64_t c) {
      return x_ + ((image * as_size(height) + as_size(r)) * as_size(width) + as_size(c)) * channels_;
    };
    if (row >= 0 && row + 4 <= height && column >= 0 && column + 4 <= width) {
      const uint8_t* const first = pixel(row, column);
      for (size_t k = 0; k < kTilePixels; ++k)
        pixels[k] = first + (k / 4 * as_size(width) + k % 4) * channels_;
      return;
    }
    for (size_t k = 0; k < kTilePixels; ++k) {
      const int64_t r = row + static_cast<int64_t>(k / 4), c = column + static_cast<int64_t>(k % 4);
      pixels[k] = r >= 0 && r < height && c >= 0 && c < width ? pixel(r, c) : beyond;
    }
  }

  void transform_tile(size_t tile, const uint8_t* beyond, uint8_t* codes, size_t stride,
                      WinogradPlace* place) const {
    const size_t rows = as_size(geometry_.output[0]), columns = as_size(geometry_.output[1]);
    const size_t image = tile / (tile_rows_ * tile_columns_);
    const size_t row = tile / tile_columns_ % tile_rows_ * 2, column = tile % tile_columns_ * 2;
    *place = {(image * rows + row) * columns + column, column + 1 < columns, row + 1 < rows};
    const uint8_t* pixels[kTilePixels];
    find_pixels(image, static_cast<int64_t>(row) - geometry_.pads[0],
                static_cast<int64_t>(column) - geometry_.pads[1], beyond, pixels);
    winograd_.kernels.transform_input(pixels, channels_, winograd_.offset, codes, stride);
  }

  void transform_tiles(size_t first, size_t count, const uint8_t* beyond, uint8_t* codes, size_t stride,
                       WinogradPlace* places) const {
    const size_t at_once = std::max<size_t>(1, kTaskBytes / kWinogradPositions / channels_);
    parallel_(divide_up(count, at_once), [&](size_t task) {
      for (size_t i = task * at_once; i < std::min(count, (task + 1) * at_once); ++i)
        transform_tile(first + i, beyond, codes + i * channels_, stride, places + i);
    });
  }

  // A part is a run of tiles of one block of outputs.
  void multiply(const WinogradTiles& tiles) const {
    const size_t runs = std::max<size_t>(1, tiles.count / kRunTiles);
    const bool narrow = is_narrow(tiles.count);
    const size_t parts = (narrow ? output_vectors(layer_.weight) : output_blocks(layer_.weight)) * runs;
    const size_t lanes = kTileLanes * (narrow ? 1 : kPanelVectors);
    const size_t products = divide_up(tiles.count, runs) * kWinogradPositions * channels_ * lanes;
    const size_t parts_of_task = std::max<size_t>(1, kTaskProducts / products);
    std::atomic<bool> failed{false};
    parallel_(divide_up(parts, parts_of_task), [&](size_t task) {
      const size_t first = task * parts_of_task;
      try {
        run_parts(tiles, runs, first, std::min(first + parts_of_task, parts));
      } catch (const std::bad_alloc&) {
        failed = true;
      }
    });
    if (failed) throw std::bad_alloc();
  }

  size_t weights_bytes() const {
    return kWinogradPositions * winograd_weights_stride(channels_, kPanelVectors);
  }

  void run_parts(const WinogradTiles& tiles, size_t runs, size_t first, size_t end) const {
    const Scratch scratch(divide_up(weights_bytes() + vector_panel_bytes(layer_.weight), sizeof(float)));
    auto* const weights = reinterpret_cast<int8_t*>(scratch.data());
    OutputOperands operands;
    BlockStarts starts;
    for (size_t part = first; part < end; ++part) {
      const OutputBlock block = is_narrow(tiles.count) ? output_vector(layer_.weight, part / runs)
                                                       : output_block(layer_.weight, part / runs);
      if (part == first || part % runs == 0) prepare(block, weights, &operands, &starts);
      const size_t tile = part % runs * tiles.count / runs, last = (part % runs + 1) * tiles.count / runs;
      WinogradTiles some = tiles;
      some.x += tile * channels_;
      some.places += tile;
      some.count = last - tile;
      if (part % runs + 1 == runs) some.ahead = codes_behind(layer_.weight, block);
      winograd_.kernels.run(weights, block.vectors, some, starts.start,
                            results_of(layer_, block, operands, output_, 0));
    }
  }

  // Tiles that are decoded soon: a processor does not foresee that they lie apart.
  void prefetch_tiles(size_t first) const {
    const TiledWeight& weight = layer_.weight.tiles;
    const size_t tile_bytes = kTileCodes / 8 * weight.bits;
    const size_t end = std::min(first + kTilesAtOnce, weight.tile_count) * tile_bytes;
    for (size_t at = first * tile_bytes; at < end; at += kVectorBytes) __builtin_prefetch(weight.tiles + at);
  }

  // The weights of 16 outputs, some channels at a time: so what is decoded stays in the first-level cache.
  // `all` are those of all channels.
  void transform_vector(PanelOfWeights all, size_t vectors, int8_t* panel, int8_t* weights) const {
    const size_t stride = winograd_weights_stride(channels_, vectors), step = vectors * kVectorBytes;
    if (channels_ % kTileLanes != 0) {  // the tiles of a tap are not its own
      layer_.decode.run(layer_.weight.tiles, all, panel);
      return winograd_.kernels.transform_weights(
          panel, {channels_ / 4, channels_ / 4 * kVectorBytes, step, stride}, weights);
    }
    const size_t tap_tiles = channels_ / kTileLanes;
    for (size_t first = 0; first < tap_tiles; first += kTilesAtOnce) {
      PanelOfWeights some = all;
      some.tiles = std::min(kTilesAtOnce, tap_tiles - first);
      const size_t tap_stride = some.tiles * kTileCodes;
      for (size_t tap = 0; tap < kTaps; ++tap) {
        some.first_tile = all.first_tile + tap * tap_tiles + first;
        prefetch_tiles(some.first_tile + kTilesAtOnce);
        layer_.decode.run(layer_.weight.tiles, some, panel + tap * tap_stride);
      }
      winograd_.kernels.transform_weights(panel, {some.tiles * 4, tap_stride, step, stride},
                                          weights + first * 4 * step);
    }
  }

  void prepare(const OutputBlock& block, int8_t* weights, OutputOperands* operands,
               BlockStarts* starts) const {
    for (size_t v = 0; v < block.vectors; ++v) {
      const OutputBlock one = output_vector(layer_.weight, block.first_output / kTileLanes + v);
      transform_vector(one.panel, block.vectors, weights + weights_bytes(), weights + v * kVectorBytes);
    }
    copy_operands(layer_, block, operands);
    *starts = {};
    for (size_t ab = 0; ab < kTileOutputs; ++ab)
      std::copy_n(winograd_.starts.data() + ab * layer_.weight.outputs + block.first_output, block.outputs,
                  starts->start + ab * block.vectors * kTileLanes);
  }

  const IntegerWinograd& winograd_;
  const IntegerLayer& layer_;
  const IntegerGeometry& geometry_;
  const uint8_t* x_;
  const IntegerOutput& output_;
  const Parallel& parallel_;
  const size_t channels_;
  const size_t tile_rows_, tile_columns_;
};

}  // namespace

void convolve_winograd(const IntegerWinograd& winograd, const IntegerLayer& layer,
                       const IntegerGeometry& geometry, const uint8_t* x, const IntegerOutput& output,
                       const Parallel& parallel) {
  WinogradProduct(winograd, layer, geometry, x, output, parallel).run();
}

}  // namespace qc
