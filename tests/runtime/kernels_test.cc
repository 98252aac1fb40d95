// Every kernel of every table against float64, with all operands between guard pages and outputs full of NaN.
#include "base/isa.h"
#include "kernels/add_elements/add_elements.h"
#include "kernels/add_scaled/add_scaled.h"
#include "kernels/codebook_depthwise/codebook_depthwise.h"
#include "kernels/codebook_gemm/dispatch.h"
#include "kernels/codebook_gemv/dispatch.h"
#include "kernels/copy_rows/copy_rows.h"
#include "support.h"

using namespace qc;
using namespace qc::test;

namespace {

// Each vector width, its multiples, and their neighbours.
constexpr size_t kColumns[] = {1,  2,  7,  8,  9,  15, 16,  17,  31,  32,  33,
                               47, 48, 49, 63, 64, 65, 127, 128, 129, 255, 257};
constexpr int kRepeats = 3;

size_t checked = 0;

std::string described(const char* name, const RandomWeight& weight, const char* rest) {
  return std::string(name) + ", " + std::to_string(weight.bits) + " bits, weight " +
         std::to_string(weight.rows) + " x " + std::to_string(weight.columns) + ", " + rest;
}

bool is_available(Isa isa) {
  for (Isa available : available_isas())
    if (available == isa) return true;
  return false;
}

// The inner block of a weight: rows and columns around it must not be taken for its own.
void check_gemm_block(const char* name, codebook_gemm_fn kernel, Random& random, size_t bits, size_t columns,
                      Flush flush) {
  const size_t groups = uniform(random, 1, 3);
  const size_t rows = groups * uniform(random, 1, 7);
  const size_t first_column = 16 * uniform(random, 0, 2);
  const RandomWeight weight(random, rows, first_column + columns + uniform(random, 0, 1) * 5, bits, groups);
  const size_t first_row = uniform(random, 0, rows - 1);
  const size_t stride = 16 * uniform(random, 1, 9);
  const GemmBlock block = {
      first_row, rows - first_row, first_column, columns, 16 * uniform(random, 1, stride / 16), stride};
  Guarded<uint8_t> packed(weight.packed, flush);
  Guarded<float> codebook(weight.codebook, flush);
  const std::vector<float> x = normal_floats(random, columns * stride);
  const std::vector<float> before = normal_floats(random, block.rows * stride);
  Guarded<float> guarded_x(x, flush), sums(before, flush);
  kernel(weight.view(packed.data(), codebook.data()), block, guarded_x.data(), sums.data());
  for (size_t i = 0; i < block.rows; ++i) {
    for (size_t p = 0; p < stride; ++p) {
      const float found = sums.data()[i * stride + p];
      Reference reference;
      reference.add(before[i * stride + p], 1);
      for (size_t j = 0; j < columns; ++j)
        reference.add(x[j * stride + p], weight.at(first_row + i, first_column + j));
      const bool inside = p < block.positions;
      expect(inside ? reference.allows(found, columns) : found == before[i * stride + p],
             described(name, weight, inside ? "a sum" : "beyond the positions"));
    }
  }
  ++checked;
}

void check_gemv_block(const CodebookGemv& kernel, Random& random, size_t bits, size_t columns, Flush flush) {
  const size_t groups = uniform(random, 1, 3);
  const size_t rows = groups * uniform(random, 1, 7), m = uniform(random, 1, kGemvVectors);
  const RandomWeight weight(random, rows, columns, bits, groups);
  const size_t first_row = uniform(random, 0, rows - 1), count = uniform(random, 1, rows - first_row);
  const std::vector<float> x = normal_floats(random, m * columns);
  const size_t x_stride = arranged_size(kernel, bits, columns);
  Guarded<float> plain_x(x, flush), arranged(m * x_stride, flush), y(m * rows, flush);
  arrange_x(kernel, bits, columns, m, plain_x.data(), arranged.data());
  Guarded<uint8_t> packed(weight.packed, flush);
  Guarded<float> codebook(weight.codebook, flush);
  y.fill(kNan);
  kernel.run(weight.view(packed.data(), codebook.data()), {first_row, count, m, x_stride, rows},
             arranged.data(), y.data());
  for (size_t p = 0; p < m; ++p) {
    for (size_t i = 0; i < rows; ++i) {
      Reference reference;
      for (size_t j = 0; j < columns; ++j) reference.add(x[p * columns + j], weight.at(i, j));
      const bool inside = i >= first_row && i < first_row + count;
      const float found = y.data()[p * rows + i];
      expect(inside ? reference.allows(found, columns) : std::isnan(found),
             described(kernel.name, weight, inside ? "a sum" : "beyond the rows"));
    }
  }
  ++checked;
}

// The last offset ends where x does: nothing behind the last float that is multiplied may be read.
void check_depthwise_row(const char* name, codebook_depthwise_fn kernel, Random& random, size_t bits,
                         size_t runs, size_t run, Flush flush) {
  const size_t groups = uniform(random, 1, 3), columns = runs * run;
  const RandomWeight weight(random, groups * uniform(random, 1, 3), columns, bits, groups);
  const size_t row = uniform(random, 0, weight.rows - 1), positions = 16 * uniform(random, 0, 19);
  std::vector<size_t> offsets(runs);
  for (size_t& offset : offsets) offset = uniform(random, 0, 40);
  offsets[uniform(random, 0, runs - 1)] = 40;
  const std::vector<float> x = normal_floats(random, positions == 0 ? 0 : 40 + run - 1 + positions);
  const float scale = normal_floats(random, 1)[0], bias = normal_floats(random, 1)[0];
  Guarded<uint8_t> packed(weight.packed, flush);
  Guarded<float> codebook(weight.codebook, flush), guarded_x(x, flush), y(positions, flush);
  Guarded<size_t> guarded_offsets(offsets, flush);
  y.fill(kNan);
  kernel(weight.view(packed.data(), codebook.data()),
         {row, guarded_offsets.data(), run, positions, scale, bias}, guarded_x.data(), y.data());
  for (size_t p = 0; p < positions; ++p) {
    Reference reference;
    for (size_t j = 0; j < columns; ++j) reference.add(x[offsets[j / run] + j % run + p], weight.at(row, j));
    reference.finish(scale, bias);
    expect(reference.allows(y.data()[p], columns), described(name, weight, "depthwise"));
  }
  ++checked;
}

void check_copied_rows(const char* name, copy_rows_fn kernel, Random& random, size_t columns, size_t step,
                       Flush flush) {
  const size_t rows = uniform(random, 0, 5), span = columns == 0 ? 0 : (columns - 1) * step + 1;
  const size_t from_stride = span + uniform(random, 0, 9), to_stride = columns + uniform(random, 0, 9);
  const std::vector<float> from =
      normal_floats(random, rows == 0 || span == 0 ? 0 : (rows - 1) * from_stride + span);
  Guarded<float> guarded_from(from, flush), to(rows == 0 ? 0 : (rows - 1) * to_stride + columns, flush);
  to.fill(kNan);
  kernel({rows, columns, from_stride, step, to_stride}, guarded_from.data(), to.data());
  for (size_t i = 0; i < to.size(); ++i) {
    const size_t row = i / to_stride, column = i % to_stride;
    const float found = to.data()[i];
    expect(column < columns ? found == from[row * from_stride + column * step] : std::isnan(found),
           std::string(name) + ", " + std::to_string(columns) + " columns, every " + std::to_string(step));
  }
  ++checked;
}

void check_scaled_rows(const char* name, add_scaled_fn kernel, Random& random, size_t columns, size_t step,
                       Flush flush) {
  const size_t rows = uniform(random, 0, 5), span = columns == 0 ? 0 : (columns - 1) * step + 1;
  const size_t gap = uniform(random, 0, 1) * uniform(random, 1, 9);  // often none: then rows are merged
  const size_t x_stride = span + gap, y_stride = columns + gap;
  const std::vector<float> x =
      normal_floats(random, rows == 0 || span == 0 ? 0 : (rows - 1) * x_stride + span);
  const std::vector<float> y = normal_floats(random, rows == 0 ? 0 : (rows - 1) * y_stride + columns);
  Guarded<float> guarded_x(x, flush), found(y, flush);
  const float factor = normal_floats(random, 1)[0];
  kernel({rows, columns, x_stride, step, y_stride}, factor, guarded_x.data(), found.data());
  for (size_t i = 0; i < y.size(); ++i) {
    const size_t row = i / y_stride, column = i % y_stride;
    const float product = column < columns ? factor * x[row * x_stride + column * step] : 0.0f;
    expect(found.data()[i] == y[i] + product,
           std::string(name) + ", " + std::to_string(columns) + " columns, every " + std::to_string(step));
  }
  ++checked;
}

void check_added_elements(const char* name, add_elements_fn kernel, Random& random, size_t outputs,
                          Flush flush) {
  const size_t columns = uniform(random, 1, 40), vectors = uniform(random, 0, 5);
  std::vector<uint32_t> rows, places;
  for (uint32_t row = 0; row < outputs; ++row)
    for (uint32_t column = 0; column < columns; ++column)
      if (uniform(random, 0, 9) == 0) rows.push_back(row), places.push_back(column);
  const std::vector<float> values = normal_floats(random, rows.size()),
                           x = normal_floats(random, vectors * columns);
  std::vector<float> wanted = normal_floats(random, vectors * outputs);
  Guarded<uint32_t> guarded_rows(rows, flush), guarded_places(places, flush);
  Guarded<float> guarded_values(values, flush), guarded_x(x, flush), found(wanted, flush);
  kernel({rows.size(), guarded_rows.data(), guarded_places.data(), guarded_values.data()},
         {vectors, columns, outputs}, guarded_x.data(), found.data());
  for (size_t v = 0; v < vectors; ++v)
    for (size_t c = 0; c < rows.size(); ++c)
      wanted[v * outputs + rows[c]] += values[c] * x[v * columns + places[c]];
  for (size_t i = 0; i < wanted.size(); ++i)
    expect(found.data()[i] == wanted[i], std::string(name) + ", " + std::to_string(outputs) + " outputs");
  ++checked;
}

template <typename Check>
void for_each_case(const Check& check) {
  Random random(20240501);
  for (size_t bits = 1; bits <= 8; ++bits)
    for (size_t columns : kColumns)
      for (int repeat = 0; repeat < kRepeats; ++repeat)
        for (Flush flush : {Flush::low, Flush::high}) check(random, bits, columns, flush);
}

void check_gemm(const char* name, Isa isa, codebook_gemm_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  for_each_case([&](Random& random, size_t bits, size_t columns, Flush flush) {
    check_gemm_block(name, kernel, random, bits, columns, flush);
  });
  Random random(7);
  check_gemm_block(name, kernel, random, 3, kGemmColumns, Flush::high);
}

void check_gemv(const CodebookGemv& kernel, Isa isa) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", kernel.name));
  const size_t before = checked;
  for_each_case([&](Random& random, size_t bits, size_t columns, Flush flush) {
    if (kernel.takes(bits, columns)) check_gemv_block(kernel, random, bits, columns, flush);
  });
  expect(checked > before, std::string(kernel.name) + " was never run");
}

void check_depthwise(const char* name, Isa isa, codebook_depthwise_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(20240502);
  for (size_t bits = 1; bits <= 8; ++bits)
    for (size_t run : {1, 2, 3, 4, 5, 6, 7, 10, 15, 17, 128})
      for (size_t runs : {size_t{1}, size_t{3}, kDepthwiseColumns / run})
        for (int repeat = 0; repeat < kRepeats; ++repeat)
          for (Flush flush : {Flush::low, Flush::high})
            if (runs * run <= kDepthwiseColumns)
              check_depthwise_row(name, kernel, random, bits, runs, run, flush);
}

void check_copy_rows(const char* name, Isa isa, copy_rows_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(20240503);
  for (size_t columns = 0; columns <= 67; ++columns)
    for (size_t step : {1, 2, 3, 7})
      for (int repeat = 0; repeat < kRepeats; ++repeat)
        for (Flush flush : {Flush::low, Flush::high})
          check_copied_rows(name, kernel, random, columns, step, flush);
}

void check_add_scaled(const char* name, Isa isa, add_scaled_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(20240504);
  for (size_t columns = 0; columns <= 67; ++columns)
    for (size_t step : {1, 2, 3})
      for (int repeat = 0; repeat < kRepeats; ++repeat)
        for (Flush flush : {Flush::low, Flush::high})
          check_scaled_rows(name, kernel, random, columns, step, flush);
}

void check_add_elements(const char* name, Isa isa, add_elements_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(20240505);
  for (size_t outputs = 0; outputs <= 40; ++outputs)
    for (int repeat = 0; repeat < kRepeats; ++repeat)
      for (Flush flush : {Flush::low, Flush::high})
        check_added_elements(name, kernel, random, outputs, flush);
}

}  // namespace

int main() {
#define QC_ADD_ELEMENTS(isa, name) check_add_elements(#name, Isa::isa, name);
#include "kernels/add_elements/kernels.inc"
#define QC_ADD_SCALED(isa, name) check_add_scaled(#name, Isa::isa, name);
#include "kernels/add_scaled/kernels.inc"
#define QC_CODEBOOK_DEPTHWISE(isa, name) check_depthwise(#name, Isa::isa, name);
#include "kernels/codebook_depthwise/kernels.inc"
#define QC_COPY_ROWS(isa, name) check_copy_rows(#name, Isa::isa, name);
#include "kernels/copy_rows/kernels.inc"
#define QC_CODEBOOK_GEMM(isa, name) check_gemm(#name, Isa::isa, name);
#include "kernels/codebook_gemm/kernels.inc"
#define QC_CODEBOOK_GEMV(isa, name, whole_dwords) check_gemv({#name, name, whole_dwords}, Isa::isa);
#include "kernels/codebook_gemv/kernels.inc"
  return result(checked);
}
