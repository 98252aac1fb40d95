// Products of codes: the kernels that pack and sum them against the scalar ones, then whole products against
// the definition, with all operands between guard pages; and operands that do not fit.
#include "base/integer_product.h"

#include <algorithm>

#include "compute/integer_product.h"
#include "integer_support.h"

using namespace qc;
using namespace qc::test;

namespace {

size_t checked = 0;

constexpr Flush kFlushes[] = {Flush::low, Flush::high};

size_t divide_up(size_t a, size_t b) { return (a + b - 1) / b; }

std::string described(const char* name, size_t a, size_t b) {
  return std::string(name) + ", " + std::to_string(a) + " by " + std::to_string(b);
}

// Codes with their columns or their outputs next to each other, perhaps with others between rows.
void check_pack(const char* name, pack_codes_fn kernel, Random& random, size_t outputs, size_t columns,
                bool by_rows, Flush flush) {
  const size_t inner = by_rows ? columns : outputs, rows = by_rows ? outputs : columns;
  const size_t stride = inner + uniform(random, 0, 1) * uniform(random, 0, 70);
  Guarded<uint8_t> codes(random_codes(random, rows == 0 ? 0 : (rows - 1) * stride + inner), flush);
  const CodesToPack source = {codes.data(), outputs, columns, by_rows ? stride : 1, by_rows ? 1 : stride};
  const size_t vectors = divide_up(outputs, 16), bytes = 64 * vectors * divide_up(columns, 4);
  Guarded<int8_t> found(bytes, flush), wanted(bytes, flush);
  Guarded<int32_t> found_sums(16 * vectors, flush), wanted_sums(16 * vectors, flush);
  kernel(source, found.data(), found_sums.data());
  pack_codes_scalar(source, wanted.data(), wanted_sums.data());
  expect(std::memcmp(found.data(), wanted.data(), bytes) == 0 &&
             std::memcmp(found_sums.data(), wanted_sums.data(), 64 * vectors) == 0,
         described(name, outputs, columns) + (by_rows ? ", by rows" : ", by columns"));
  ++checked;
}

void check_packs(const char* name, Isa isa, pack_codes_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(1);
  for (size_t outputs = 1; outputs <= 64; ++outputs)
    for (size_t columns : {0, 1, 2, 3, 4, 5, 15, 16, 17, 31, 63, 64, 65, 66, 67, 68, 127, 128, 200})
      for (bool by_rows : {false, true})
        for (Flush flush : kFlushes) check_pack(name, kernel, random, outputs, columns, by_rows, flush);
}

void check_row_sums(const char* name, Isa isa, row_sums_fn kernel) {
  if (!is_available(isa)) return static_cast<void>(std::printf("%s: not on this machine\n", name));
  Random random(2);
  for (size_t rows = 0; rows <= 20; ++rows) {
    for (size_t columns : {0, 1, 3, 31, 32, 33, 63, 64, 65, 127, 128, 129, 32768}) {
      for (Flush flush : kFlushes) {
        const size_t stride = columns + uniform(random, 0, 1) * uniform(random, 0, 70);
        Guarded<uint8_t> x(random_codes(random, rows == 0 ? 0 : (rows - 1) * stride + columns), flush);
        Guarded<int32_t> found(rows, flush), wanted(rows, flush);
        const int32_t factor = static_cast<int32_t>(uniform(random, 0, 255)) - 127;
        kernel({x.data(), rows, columns, stride}, factor, found.data());
        row_sums_scalar({x.data(), rows, columns, stride}, factor, wanted.data());
        expect(std::equal(found.data(), found.data() + rows, wanted.data()), described(name, rows, columns));
        ++checked;
      }
    }
  }
}

int64_t code_at(const uint8_t* codes, size_t at, uint8_t zero_point) {
  return static_cast<int64_t>(codes[at]) - zero_point;
}

// The sum of one output by its definition.
int64_t sum_at(const ProductCodes& codes, const ProductSizes& sizes, const uint8_t* a, const uint8_t* b,
               size_t matrix, size_t row, size_t column) {
  int64_t sum = 0;
  for (size_t t = 0; t < sizes.k; ++t) {
    const size_t in_b = codes.b_transposed ? column * sizes.k + t : t * sizes.n + column;
    sum += code_at(a, (matrix * sizes.m + row) * sizes.k + t, codes.a_zero_point) *
           code_at(b, matrix * sizes.k * sizes.n + in_b, codes.b_zero_point);
  }
  return sum;
}

void expect_product(const CodesProduct& product, const ProductSizes& sizes, const uint8_t* a,
                    const uint8_t* b, const uint8_t* y, const std::string& what) {
  for (size_t i = 0; i < sizes.matrices * sizes.m * sizes.n; ++i) {
    const int64_t sum =
        sum_at(product.codes, sizes, a, b, i / (sizes.m * sizes.n), i / sizes.n % sizes.m, i % sizes.n);
    const float scaled = static_cast<float>(sum) * product.scale;
    const float value = product.is_float ? scaled : scaled + product.bias;
    float found;
    if (product.is_float) {
      std::memcpy(&found, y + i * sizeof(float), sizeof(float));
      expect(found == value, what);
    } else {
      expect(y[i] == plain_code(value, product.range), what);
    }
  }
}

void check_product(Random& random, Isa isa, const ProductSizes& sizes, Flush flush) {
  CodesProduct product;
  const auto zero_point = [&] {
    return static_cast<uint8_t>(uniform(random, 0, 2) == 0 ? 128 : uniform(random, 0, 255));
  };
  product.codes = {zero_point(), zero_point(), uniform(random, 0, 1) == 1};
  product.is_float = uniform(random, 0, 2) == 0;
  product.scale = uniform(random, 0, 4) == 0 ? 1e30f : 0.0011f;
  if (!product.is_float) product.bias = 120.25f, product.range = {3, 250};
  product.pack = get_pack_codes(isa);
  product.sum_rows = get_row_sums(isa);
  product.multiply = get_integer_gemm(isa);
  Guarded<uint8_t> a(random_codes(random, sizes.matrices * sizes.m * sizes.k), flush);
  Guarded<uint8_t> b(random_codes(random, sizes.matrices * sizes.k * sizes.n), flush);
  Guarded<uint8_t> y(sizes.matrices * sizes.m * sizes.n * (product.is_float ? 4 : 1), flush);
  y.fill(0xA5);
  multiply_codes(product, sizes, a.data(), b.data(), y.data(), run_tasks_backwards);
  expect_product(product, sizes, a.data(), b.data(), y.data(),
                 std::string(isa_name(isa)) + ", " + std::to_string(sizes.matrices) + " of " +
                     described("m", sizes.m, sizes.n) + " of " + std::to_string(sizes.k));
  ++checked;
}

void check_products(Isa isa) {
  Random random(3);
  const ProductSizes kSizes[] = {{3, 20, 20, 64}, {2, 7, 130, 9}, {1, 1100, 17, 5},
                                 {2, 1, 1, 1},    {1, 3, 70, 0},  {0, 3, 4, 5},
                                 {2, 0, 4, 5},    {2, 3, 0, 5},   {7, 5, 5, 62}};
  for (const ProductSizes& sizes : kSizes)
    for (Flush flush : kFlushes)
      for (int repeat = 0; repeat < 4; ++repeat) check_product(random, isa, sizes, flush);
}

std::string refusal_of(const Shape& a, const Shape& b, bool b_transposed) {
  ProductSizes sizes;
  Shape y_shape;
  ++checked;
  return check_product_operands({false, ElementType::uint8, a, nullptr},
                                {false, ElementType::uint8, b, nullptr}, b_transposed, &sizes, &y_shape);
}

void check_refusals() {
  expect(refusal_of({2, 3, 4}, {2, 4, 5}, false).empty(), "a valid product was refused");
  expect(refusal_of({2, 3, 4}, {2, 5, 4}, true).empty(), "a valid transposed product was refused");
  expect_contains(refusal_of({4}, {4}, false), "a is uint8 [4], wanted uint8 [..., m, k]");
  expect_contains(refusal_of({}, {}, false), "a is uint8 []");
  expect_contains(refusal_of({3, 4}, {}, false), "b is uint8 []");
  expect_contains(refusal_of({3, 4}, {5, 4}, false), "wanted uint8 [..., k, n] for a, which is [3, 4]");
  expect_contains(refusal_of({2, 3, 4}, {1, 4, 5}, false), "the same leading axes");
  expect_contains(refusal_of({1, 32769}, {32769, 1}, false), "at most 32768");
  const int64_t huge = int64_t{1} << 31;
  expect_contains(refusal_of({huge, 0}, {0, 1}, false), "too large");
  expect_contains(refusal_of({1 << 30, 1 << 30, 1 << 30, 0}, {1 << 30, 1 << 30, 0, 1 << 30}, false),
                  "too large");
}

}  // namespace

int main() {
#define QC_PACK_CODES(isa, name) check_packs(#name, Isa::isa, name);
#include "kernels/pack_codes/kernels.inc"
#define QC_ROW_SUMS(isa, name) check_row_sums(#name, Isa::isa, name);
#include "kernels/row_sums/kernels.inc"
  for (Isa isa : available_isas()) check_products(isa);
  check_refusals();
  return result(checked);
}
