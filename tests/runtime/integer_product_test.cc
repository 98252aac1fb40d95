// Products of codes: the kernels that pack and sum them against the scalar ones, then whole products against
// the definition, with all operands between guard pages; and operands that do not fit.
#include "base/integer_product.h"

#include <algorithm>

#include "base/checked_arithmetic.h"
#include "base/reshape.h"
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
  const size_t in_a = offset_of_matrix(sizes, sizes.a, matrix) + row * sizes.a.row;
  const size_t in_b = offset_of_matrix(sizes, sizes.b, matrix) + column * sizes.b.column;
  for (size_t t = 0; t < sizes.k; ++t)
    sum += code_at(a, in_a + t * sizes.a.column, codes.a_zero_point) *
           code_at(b, in_b + t * sizes.b.row, codes.b_zero_point);
  return sum;
}

void expect_product(const CodesProduct& product, const ProductSizes& sizes, const uint8_t* a,
                    const uint8_t* b, const uint8_t* y, const std::string& what) {
  for (size_t i = 0; i < sizes.matrices * sizes.m * sizes.n; ++i) {
    const int64_t sum =
        sum_at(product.codes, sizes, a, b, i / (sizes.m * sizes.n), i / sizes.n % sizes.m, i % sizes.n);
    const size_t matrix = i / (sizes.m * sizes.n), row = i / sizes.n % sizes.m, column = i % sizes.n;
    const size_t at = offset_of_matrix(sizes, sizes.y, matrix) + row * sizes.y.row + column * sizes.y.column;
    const float scaled = static_cast<float>(sum) * product.scale;
    const float value = product.is_float ? scaled : scaled + product.bias;
    float found;
    if (product.is_float) {
      std::memcpy(&found, y + at * sizeof(float), sizeof(float));
      expect(found == value, what);
    } else {
      expect(y[at] == plain_code(value, product.range), what);
    }
  }
}

// One of the orders of three axes in which a product of matrices can read or write.
Shape any_of(Random& random, const std::vector<Shape>& orders) {
  return orders[uniform(random, 0, orders.size() - 1)];
}

// The shape of a tensor that is `ordered` once its axes are in the order `perm`.
Shape shape_before(const Shape& ordered, const Shape& perm) {
  Shape shape(perm.size());
  for (size_t axis = 0; axis < perm.size(); ++axis) shape[static_cast<size_t>(perm[axis])] = ordered[axis];
  return shape;
}

Operand codes_of_shape(const Shape& shape) { return {false, ElementType::uint8, shape, nullptr}; }

struct Size {
  int64_t matrices, m, n, k;
};

ProductSizes sizes_of(const Size& size, const ProductCodes& codes) {
  const Shape a = shape_before({size.matrices, size.m, size.k}, codes.a_perm);
  const Shape b = shape_before({size.matrices, size.k, size.n}, codes.b_perm);
  ProductSizes sizes;
  Shape y_shape;
  const std::string wrong =
      check_product_operands(codes_of_shape(a), codes_of_shape(b), codes, &sizes, &y_shape);
  expect(wrong.empty(), wrong);
  return sizes;
}

void check_product(Random& random, Isa isa, const Size& size, Flush flush) {
  CodesProduct product;
  const auto zero_point = [&] {
    return static_cast<uint8_t>(uniform(random, 0, 2) == 0 ? 128 : uniform(random, 0, 255));
  };
  const std::vector<Shape> last_stays = {{0, 1, 2}, {1, 0, 2}};
  product.codes = {zero_point(),
                   zero_point(),
                   any_of(random, last_stays),
                   any_of(random, {{0, 1, 2}, {1, 0, 2}, {0, 2, 1}, {1, 2, 0}}),
                   any_of(random, last_stays),
                   {},
                   {},
                   {}};
  const ProductSizes sizes = sizes_of(size, product.codes);
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
  const Size kSizes[] = {{3, 20, 20, 64}, {2, 7, 130, 9}, {1, 1100, 17, 5}, {2, 1, 1, 1}, {1, 3, 70, 0},
                         {0, 3, 4, 5},    {2, 0, 4, 5},   {2, 3, 0, 5},     {7, 5, 5, 62}};
  for (const Size& size : kSizes)
    for (Flush flush : kFlushes)
      for (int repeat = 0; repeat < 4; ++repeat) check_product(random, isa, size, flush);
}

std::string refusal_of(const Shape& a, const Shape& b, const Shape& b_perm) {
  ProductSizes sizes;
  Shape y_shape, as_they_are;
  for (size_t axis = 0; axis < b_perm.size(); ++axis) as_they_are.push_back(static_cast<int64_t>(axis));
  ++checked;
  return check_product_operands(codes_of_shape(a), codes_of_shape(b),
                                {0, 0, as_they_are, b_perm, as_they_are, {}, {}, {}}, &sizes, &y_shape);
}

std::string refusal_of_orders(const Shape& a, const Shape& b, const Shape& y) {
  ProductCodes codes;
  ++checked;
  return check_integer_product({0, 0, {}, a, b, y, {}, {}, {}}, &codes);
}

// What heads and positions of attention come as, and where their product goes.
void check_attention() {
  ProductSizes sizes;
  Shape y_shape;
  const ProductCodes codes = {
      0, 0, {0, 2, 1, 3}, {0, 2, 3, 1}, {0, 2, 1, 3}, {0, 0, 6, -1}, {-1, 100, 6, 64}, {0, 0, 600}};
  const Operand query = codes_of_shape({2, 128, 384}), key = codes_of_shape({2, 100, 384});
  expect(check_product_operands(query, key, codes, &sizes, &y_shape).empty(), "attention was refused");
  expect(y_shape == Shape{2, 128, 600}, "the product of attention has the shape " + as_text(y_shape));
  expect(sizes.matrices == 12 && sizes.m == 128 && sizes.n == 100 && sizes.k == 64, "sizes of attention");
  expect(offset_of_matrix(sizes, sizes.a, 8) == 128 * 6 * 64 + 2 * 64 && sizes.a.row == 6 * 64,
         "its queries");
  expect(offset_of_matrix(sizes, sizes.y, 8) == 128 * 6 * 100 + 2 * 100 && sizes.y.row == 600, "its results");
  ++checked;
}

void check_refusals() {
  expect(refusal_of({2, 3, 4}, {2, 4, 5}, {0, 1, 2}).empty(), "a valid product was refused");
  expect(refusal_of({2, 3, 4}, {2, 5, 4}, {0, 2, 1}).empty(), "a valid transposed product was refused");
  expect_contains(refusal_of({4}, {4, 4}, {0, 1}), "a is uint8 [4], wanted uint8 of 2 axes");
  expect_contains(refusal_of({3, 4}, {}, {0, 1}), "b is uint8 []");
  expect_contains(refusal_of({3, 4}, {5, 4}, {0, 1}),
                  "wanted axes that are [5, 4] in their order to be [..., k, n]");
  expect_contains(refusal_of({2, 3, 4}, {1, 4, 5}, {0, 1, 2}), "the same leading axes");
  expect_contains(refusal_of({1, 32769}, {32769, 1}, {0, 1}), "at most 32768");
  const int64_t huge = int64_t{1} << 31, large = int64_t{1} << 30;
  expect_contains(refusal_of({huge, 0}, {0, 1}, {0, 1}), "too large");
  expect_contains(refusal_of({large, large, large, 0}, {large, large, 0, large}, {0, 1, 2, 3}), "too large");
  expect(refusal_of_orders({0, 1}, {1, 0}, {0, 1}).empty(), "valid orders were refused");
  const char* const kWrong = "are no orders of the same axes";
  expect_contains(refusal_of_orders({0}, {0}, {0}), kWrong);
  expect_contains(refusal_of_orders({}, {}, {}), kWrong);
  expect_contains(refusal_of_orders({1, 0}, {0, 1}, {0, 1}), kWrong);
  expect_contains(refusal_of_orders({0, 1}, {0, 1}, {1, 0}), kWrong);
  expect_contains(refusal_of_orders({0, 1, 2}, {2, 1, 0}, {0, 1, 2}), kWrong);
  expect_contains(refusal_of_orders({0, 1}, {0, 1, 2}, {0, 1}), kWrong);
  expect_contains(refusal_of_orders({0, 1}, {1, 1}, {0, 1}), kWrong);
  expect_contains(refusal_of_orders({-1, 1}, {0, 1}, {0, 1}), kWrong);
}

void check_reshapes() {
  const struct {
    Shape from, target, wanted;  // [-9]: refused
  } cases[] = {
      {{2, 12}, {}, {2, 12}},          {{2, 12}, {0, 3, 4}, {2, 3, 4}},
      {{2, 12}, {-1}, {24}},           {{2, 12}, {0, -1, 6}, {2, 2, 6}},
      {{0, 12}, {0, -1, 4}, {-9}},     {{0, 12}, {-1, 3, 4}, {0, 3, 4}},
      {{2, 12}, {0, 5, -1}, {-9}},     {{2, 12}, {2, 0, 0}, {-9}},
      {{2, 12}, {0, 0, 0}, {-9}},      {{2, 12}, {3, 9}, {-9}},
      {{0}, {int64_t{1} << 30}, {-9}}, {{}, {1, 1}, {1, 1}},
      {{2, 0}, {0, 0, 7}, {2, 0, 7}},  {{2, 0}, {kMaxSize, kMaxSize, kMaxSize, -1}, {-9}},
  };
  for (const auto& [from, target, wanted] : cases) {
    Shape found;
    const std::string wrong = reshape("x", from, target, &found);
    const bool refused = wanted == Shape{-9};
    expect(refused ? !wrong.empty() : wrong.empty() && found == wanted,
           as_text(from) + " as " + as_text(target) + ": " + wrong + " " + as_text(found));
    ++checked;
  }
  expect_contains(check_reshape("x", Shape{2, -2}, 2, 2), "x is [2, -2], wanted a size of each axis, 2 to 2");
  expect_contains(check_reshape("x", Shape{-1, -1}, 2, 2), "one -1");
  expect_contains(check_reshape("x", Shape{1}, 2, 2), "x is [1]");
  expect_contains(check_reshape("x", Shape{1, kMaxSize + 1}, 2, 2), "x is");
  expect(check_reshape("x", Shape{0, -1}, 2, 2).empty() && check_reshape("x", Shape{}, 2, 2).empty() &&
             check_reshape("x", {}, 2, 2).empty(),
         "valid axes were refused");
}

}  // namespace

int main() {
#define QC_PACK_CODES(isa, name) check_packs(#name, Isa::isa, name);
#include "kernels/pack_codes/kernels.inc"
#define QC_ROW_SUMS(isa, name) check_row_sums(#name, Isa::isa, name);
#include "kernels/row_sums/kernels.inc"
  for (Isa isa : available_isas()) check_products(isa);
  check_attention();
  check_reshapes();
  check_refusals();
  return result(checked);
}
