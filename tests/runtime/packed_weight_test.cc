// Every rule of docs/packed-format.md, section 3, has a case that breaks only it, and the message names it.
#include "base/packed_weight.h"

#include <functional>

#include "base/checked_arithmetic.h"
#include "base/convolution.h"
#include "support.h"

using namespace qc;
using namespace qc::test;

namespace {

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
size_t checked = 0;

// A valid claim: 3-bit weight [4, 6], two codebooks, scale, no bias. Every operand has its own memory.
struct Valid {
  std::vector<uint8_t> indices = std::vector<uint8_t>(9, 0);
  std::vector<float> codebook = {0, 1, 2, 3, 4, 5, 6, 7, -7, -6, -5, -4, -3, -2, -1, 0};
  std::vector<float> scale = {1, 2, 3, 4};
  WeightClaim claim;

  Valid() {
    claim.format_version = 1;
    claim.bits = 3;
    claim.weight_shape = Shape{4, 6};
    claim.indices = {true, ElementType::uint8, {9}, indices.data()};
    claim.codebook = {true, ElementType::float32, {2, 8}, codebook.data()};
    claim.scale = {true, ElementType::float32, {4}, scale.data()};
    claim.bias = {true, ElementType::float32, {0}, nullptr};
  }
};

using Change = std::function<void(Valid&)>;

void refuses(const char* part, const Change& change) {
  Valid valid;
  change(valid);
  PackedWeight weight;
  const std::string error = check_packed_weight(valid.claim, &weight);
  expect(!error.empty(), std::string("accepted, wanted a message with: ") + part);
  expect_contains(error, part);
  ++checked;
}

void accepts(const char* what, const Change& change) {
  Valid valid;
  change(valid);
  PackedWeight weight;
  const std::string error = check_packed_weight(valid.claim, &weight);
  expect(error.empty(), std::string(what) + ": " + error);
  ++checked;
}

// Of the operators that multiply bfloat16 values.
void check_bfloat16() {
  const auto message_of = [](float entry) {
    Valid valid;
    valid.codebook[15] = entry;
    PackedWeight weight;
    expect(check_packed_weight(valid.claim, &weight).empty(), "a valid weight was refused");
    ++checked;
    return check_bfloat16_codebook(weight);
  };
  constexpr float kLeast = std::numeric_limits<float>::min(), kUnit = 1.0f / 128;
  for (float entry : {0.0f, -0.0f, kLeast, 1 + kUnit, 3.0f, 255 * 0x1p120f})
    expect(message_of(entry).empty(), "refused " + std::to_string(entry));
  for (float entry : {kLeast / 2, kLeast / 128, 0.1f, 1 + kUnit / 2, std::numeric_limits<float>::max()}) {
    expect_contains(message_of(entry), "codebook element 15 is ");
    expect_contains(message_of(entry), "wanted bfloat16 values, zero or normal");
  }
}

void check_attributes() {
  refuses("format_version is 2", [](Valid& v) { v.claim.format_version = 2; });
  refuses("format_version is 0", [](Valid& v) { v.claim.format_version = 0; });
  accepts("no format_version is 1", [](Valid& v) { v.claim.format_version.reset(); });
  refuses("bits is missing", [](Valid& v) { v.claim.bits.reset(); });
  for (int64_t bits : {int64_t{0}, int64_t{9}, int64_t{-3}, kHuge})
    refuses("wanted 1 to 8", [=](Valid& v) { v.claim.bits = bits; });
  refuses("weight_shape is missing", [](Valid& v) { v.claim.weight_shape.reset(); });
  for (const Shape& shape :
       {Shape{}, Shape{24}, Shape{0, 6}, Shape{4, -6}, Shape{4, kMaxSize + 1}, Shape{kHuge, kHuge}})
    refuses("wanted 2 or more sizes", [&](Valid& v) { v.claim.weight_shape = shape; });
  refuses("overflows", [](Valid& v) { v.claim.weight_shape = Shape{kMaxSize, kMaxSize, kMaxSize}; });
  // The product fits, times the bits it does not.
  refuses("overflows", [](Valid& v) {
    v.claim.bits = 8;
    v.claim.weight_shape = Shape{kMaxSize, kMaxSize, 4};
  });
}

void check_operands() {
  refuses("input 1 (indices) must be an initializer", [](Valid& v) { v.claim.indices.constant = false; });
  refuses("input 2 (codebook) must be an initializer", [](Valid& v) { v.claim.codebook.constant = false; });
  refuses("input 3 (scale) must be an initializer", [](Valid& v) { v.claim.scale.constant = false; });
  refuses("input 4 (bias) must be an initializer", [](Valid& v) { v.claim.bias.constant = false; });
  for (const Shape& shape : {Shape{8}, Shape{10}, Shape{0}, Shape{-9}, Shape{9, 1}, Shape{}})
    refuses("are uint8 [9]", [&](Valid& v) { v.claim.indices.shape = shape; });
  refuses("are uint8 [9]", [](Valid& v) { v.claim.indices.type = ElementType::float32; });
  refuses("are uint8 [12]", [](Valid& v) { v.claim.bits = 4; });
  for (const Shape& shape :
       {Shape{2, 7}, Shape{2, 9}, Shape{3, 8}, Shape{0, 8}, Shape{-2, 8}, Shape{16}, Shape{8, 8}})
    refuses("codebook is float32 [groups, 8]", [&](Valid& v) { v.claim.codebook.shape = shape; });
  refuses("codebook is float32", [](Valid& v) { v.claim.codebook.type = ElementType::uint8; });
  for (const Shape& shape : {Shape{3}, Shape{5}, Shape{1}, Shape{4, 1}, Shape{}}) {
    refuses("scale is float32 [0] (absent) or [4]", [&](Valid& v) { v.claim.scale.shape = shape; });
    refuses("bias is float32 [0] (absent) or [4]", [&](Valid& v) { v.claim.bias.shape = shape; });
  }
  refuses("scale is float32", [](Valid& v) { v.claim.scale.type = ElementType::other; });
}

void check_values() {
  for (float bad : {kNan, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    refuses("codebook has a value that is not finite, at element 15",
            [=](Valid& v) { v.codebook[15] = bad; });
    refuses("scale has a value that is not finite, at element 3", [=](Valid& v) { v.scale[3] = bad; });
    refuses("bias has a value that is not finite, at element 0", [=](Valid& v) {
      v.scale[0] = bad;
      v.claim.bias = {true, ElementType::float32, {4}, v.scale.data()};
      v.claim.scale.shape = {0};
    });
  }
  refuses("codebook decreases after element 8", [](Valid& v) { v.codebook[8] = 1; });
  accepts("repeated entries", [](Valid& v) { v.codebook[7] = 6; });
}

void check_convolutions() {
  const Shape weight = {4, 3, 3, 3};
  const ConvolutionClaim valid = {Shape{1, 2}, Shape{1, 0, 1, 0}, Shape{1, 1}, 2};
  const auto refused = [&](const char* part, const std::function<void(ConvolutionClaim&)>& change,
                           const Shape& shape) {
    ConvolutionClaim claim = valid;
    change(claim);
    Convolution convolution;
    expect_contains(check_convolution(claim, shape, &convolution), part);
    ++checked;
  };
  refused("strides is missing", [](auto& c) { c.strides.reset(); }, weight);
  refused("dilations is missing", [](auto& c) { c.dilations.reset(); }, weight);
  refused("pads is missing", [](auto& c) { c.pads.reset(); }, weight);
  refused("group is missing", [](auto& c) { c.group.reset(); }, weight);
  refused("strides is [0, 2]", [](auto& c) { c.strides = Shape{0, 2}; }, weight);
  refused("strides is [1]", [](auto& c) { c.strides = Shape{1}; }, weight);
  refused("dilations is [1, -1]", [](auto& c) { c.dilations = Shape{1, -1}; }, weight);
  refused("pads is [1, 0]", [](auto& c) { c.pads = Shape{1, 0}; }, weight);
  refused("pads is [0, 0, 0, -1]", [](auto& c) { c.pads = Shape{0, 0, 0, -1}; }, weight);
  refused("pads is", [](auto& c) { c.pads = Shape{kMaxSize + 1, 0, 0, 0}; }, weight);
  for (int64_t group : {int64_t{0}, int64_t{-2}, int64_t{3}, int64_t{8}, kHuge})
    refused("group is", [=](auto& c) { c.group = group; }, weight);
  refused("one or two kernel axes", [](auto&) {}, {4, 3});
  refused("one or two kernel axes", [](auto&) {}, {4, 3, 3, 3, 3});

  Convolution convolution;
  expect(check_convolution(valid, weight, &convolution).empty(), "a valid convolution is accepted");
  ConvolutionSizes sizes;
  expect(check_convolution_input(convolution, {2, 6, 5, 7}, &sizes).empty(), "a valid x is accepted");
  expect(sizes.y_shape == Shape{2, 4, 5, 3}, "found y " + as_text(sizes.y_shape));
  for (const Shape& x :
       {Shape{2, 6, 5}, Shape{2, 5, 5, 7}, Shape{2, 6, 5, 7, 1}, Shape{}, Shape{2, 6, -5, 7}})
    expect_contains(check_convolution_input(convolution, x, &sizes), "wanted [batch, 6, height, width]");
  expect_contains(check_convolution_input(convolution, {2, 6, 5, 2}, &sizes), "too small for the kernel");
  expect_contains(check_convolution_input(convolution, {kMaxSize, 6, kMaxSize, kMaxSize}, &sizes),
                  "too large");
}

void check_arithmetic() {
  size_t product = 1;
  const int64_t with_zero[] = {kHuge, kHuge, 0}, too_large[] = {kHuge, 3}, negative[] = {0 + 2, -1};
  expect(checked_product(with_zero, 3, &product) && product == 0, "zero times huge is zero");
  expect(!checked_product(too_large, 2, &product), "an overflow is noticed");
  expect(!checked_product(negative, 2, &product), "a negative size is noticed");
}

}  // namespace

int main() {
  accepts("a valid weight", [](Valid&) {});
  check_attributes();
  check_bfloat16();
  check_operands();
  check_values();
  check_convolutions();
  check_arithmetic();
  return result(checked);
}
