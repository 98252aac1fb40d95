// Every rule of docs/packed-format.md, section 6, for a weight has a case that breaks only it, and the
// message names it.
#include "base/integer_weight.h"

#include <functional>

#include "base/checked_arithmetic.h"
#include "support.h"

using namespace qc;
using namespace qc::test;

namespace {

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
size_t checked = 0;

// A valid claim: 3-bit weight [4, 20], two codebooks. Every operand has its own memory.
struct Valid {
  std::vector<uint8_t> indices = std::vector<uint8_t>(192, 0);
  std::vector<int8_t> codebook = std::vector<int8_t>(16, 1);
  std::vector<float> scale = {1, 2, 3, 4}, bias = {0, 0, 0, 0};
  IntegerWeightClaim claim;
  size_t groups = 1;

  Valid() {
    claim.format_version = 1;
    claim.bits = 3;
    claim.x_zero_point = 7;
    claim.weight_shape = Shape{4, 20};
    claim.indices = {true, ElementType::uint8, {192}, indices.data()};
    claim.codebook = {true, ElementType::int8, {2, 8}, codebook.data()};
    claim.scale = {true, ElementType::float32, {4}, scale.data()};
    claim.bias = {true, ElementType::float32, {4}, bias.data()};
  }
  std::string check(IntegerWeight* weight) const {
    const std::string error = check_integer_attributes(claim);
    return error.empty() ? check_integer_weight(claim, groups, weight) : error;
  }
};

using Change = std::function<void(Valid&)>;

void refuses(const char* part, const Change& change) {
  Valid valid;
  change(valid);
  IntegerWeight weight;
  const std::string error = valid.check(&weight);
  expect(!error.empty(), std::string("accepted, wanted a message with: ") + part);
  expect_contains(error, part);
  ++checked;
}

IntegerWeight accepts(const char* what, const Change& change) {
  Valid valid;
  change(valid);
  IntegerWeight weight;
  const std::string error = valid.check(&weight);
  expect(error.empty(), std::string(what) + ": " + error);
  ++checked;
  return weight;
}

void check_attributes() {
  refuses("format_version is 2", [](Valid& v) { v.claim.format_version = 2; });
  accepts("no format_version is 1", [](Valid& v) { v.claim.format_version.reset(); });
  refuses("bits is missing", [](Valid& v) { v.claim.bits.reset(); });
  for (int64_t bits : {int64_t{0}, int64_t{9}, int64_t{-3}, kHuge})
    refuses("wanted an int from 1 to 8", [=](Valid& v) { v.claim.bits = bits; });
  refuses("x_zero_point is missing", [](Valid& v) { v.claim.x_zero_point.reset(); });
  for (int64_t zero_point : {int64_t{-1}, int64_t{256}, kHuge})
    refuses("wanted an int from 0 to 255", [=](Valid& v) { v.claim.x_zero_point = zero_point; });
  for (int64_t bits : {int64_t{0}, int64_t{9}, kHuge})
    refuses("x_bits is", [=](Valid& v) { v.claim.x_bits = bits; });
  refuses("weight_shape is missing", [](Valid& v) { v.claim.weight_shape.reset(); });
  for (const Shape& shape :
       {Shape{}, Shape{80}, Shape{0, 20}, Shape{4, -6}, Shape{4, kMaxSize + 1}, Shape{kHuge, kHuge}})
    refuses("wanted 2 or more sizes", [&](Valid& v) { v.claim.weight_shape = shape; });
  for (const Shape& shape :
       {Shape{4, kMaxTerms + 1}, Shape{4, 256, 257}, Shape{4, kMaxSize, kMaxSize, kMaxSize}})
    refuses("at most 65536 products", [&](Valid& v) { v.claim.weight_shape = shape; });
  refuses("are uint8 [", [](Valid& v) { v.claim.weight_shape = Shape{kMaxSize, kMaxTerms}; });
}

void check_operands() {
  refuses("input 1 (indices) must be an initializer", [](Valid& v) { v.claim.indices.constant = false; });
  refuses("input 2 (codebook) must be an initializer", [](Valid& v) { v.claim.codebook.constant = false; });
  refuses("input 3 (scale) must be an initializer", [](Valid& v) { v.claim.scale.constant = false; });
  refuses("input 4 (bias) must be an initializer", [](Valid& v) { v.claim.bias.constant = false; });
  for (const Shape& shape : {Shape{191}, Shape{193}, Shape{0}, Shape{-192}, Shape{192, 1}, Shape{}})
    refuses("are uint8 [192]", [&](Valid& v) { v.claim.indices.shape = shape; });
  refuses("are uint8 [192]", [](Valid& v) { v.claim.indices.type = ElementType::int8; });
  refuses("are uint8 [256]", [](Valid& v) { v.claim.bits = 4; });
  for (const Shape& shape :
       {Shape{2, 7}, Shape{2, 9}, Shape{3, 8}, Shape{0, 8}, Shape{-2, 8}, Shape{16}, Shape{8, 8}, Shape{}})
    refuses("codebook is int8 [0] (absent) or [groups, 8]",
            [&](Valid& v) { v.claim.codebook.shape = shape; });
  refuses("codebook is int8", [](Valid& v) { v.claim.codebook.type = ElementType::uint8; });
  for (const Shape& shape : {Shape{3}, Shape{5}, Shape{0}, Shape{4, 1}, Shape{}}) {
    refuses("scale is float32 [4]", [&](Valid& v) { v.claim.scale.shape = shape; });
    refuses("bias is float32 [4]", [&](Valid& v) { v.claim.bias.shape = shape; });
  }
  for (float bad : {kNan, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    refuses("scale has a value that is not finite, at element 3", [=](Valid& v) { v.scale[3] = bad; });
    refuses("bias has a value that is not finite, at element 0", [=](Valid& v) { v.bias[0] = bad; });
  }
}

void check_results() {
  const IntegerWeight weight = accepts("a valid weight", [](Valid&) {});
  expect(weight.tiles.tile_count == 2 && weight.columns == 20 && weight.outputs == 4, "sizes");
  expect(weight.tiles.outputs_per_codebook == 2 && weight.x_zero_point == 7, "codebooks and the zero point");
  const IntegerWeight plain = accepts("no codebook", [](Valid& v) { v.claim.codebook.shape = {0}; });
  expect(plain.tiles.codebook == nullptr, "an absent codebook");
  const IntegerWeight depthwise = accepts("a depthwise weight", [](Valid& v) {
    v.claim.weight_shape = Shape{4, 1, 3, 3};
    v.claim.indices.shape = {96};
    v.groups = 4;
  });
  expect(depthwise.is_depthwise && depthwise.tiles.tile_count == 1, "depthwise tiles");
  refuses("are uint8 [384]", [](Valid& v) {
    v.claim.weight_shape = Shape{4, 10, 2};
    v.groups = 2;
  });
}

}  // namespace

int main() {
  check_attributes();
  check_operands();
  check_results();
  CodeRange range;
  expect(check_code_range(3, 200, &range).empty() && range.least == 3 && range.most == 200, "a range");
  expect_contains(check_code_range({}, 1, &range), "y_min is missing");
  expect_contains(check_code_range(1, {}, &range), "y_max is missing");
  for (auto [low, high] : {std::pair<int64_t, int64_t>{-1, 5}, {6, 5}, {0, 256}, {kHuge, kHuge}})
    expect_contains(check_code_range(low, high, &range), "wanted 0 <= y_min <= y_max <= 255");
  return result(checked);
}
