// Each rule of docs/packed-format.md, section 4, broken once: the message must say what is wrong.
#include "base/corrections.h"

#include <functional>

#include "base/checked_arithmetic.h"
#include "support.h"

using namespace qc;
using namespace qc::test;

namespace {

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

size_t checked = 0;

// Weight [4, 6] with corrections at 1, 2, 6 and 23.
struct Valid {
  std::vector<uint16_t> gaps = {1, 0, 3, 16};
  std::vector<float> values = {1, 2, 3, 4};
  CorrectionsClaim claim;

  Valid() {
    claim.weight_shape = Shape{4, 6};
    claim.gaps = {true, ElementType::uint16, {4}, gaps.data()};
    claim.values = {true, ElementType::float32, {4}, values.data()};
  }
};

using Change = std::function<void(Valid&)>;

void refuses(const char* part, const Change& change) {
  Valid valid;
  change(valid);
  Corrections corrections;
  expect_contains(check_corrections(valid.claim, &corrections), part);
  ++checked;
}

Corrections accepts(const char* what, const Change& change) {
  Valid valid;
  change(valid);
  Corrections corrections;
  const std::string error = check_corrections(valid.claim, &corrections);
  expect(error.empty(), std::string(what) + ": " + error);
  ++checked;
  return corrections;
}

void check_attributes() {
  refuses("format_version is 2", [](Valid& v) { v.claim.format_version = 2; });
  accepts("format_version is 1", [](Valid& v) { v.claim.format_version = 1; });
  refuses("weight_shape is missing", [](Valid& v) { v.claim.weight_shape.reset(); });
  for (const Shape& shape :
       {Shape{}, Shape{24}, Shape{0, 6}, Shape{4, -6}, Shape{4, kMaxSize + 1}, Shape{kHuge, kHuge}})
    refuses("wanted 2 or more sizes", [&](Valid& v) { v.claim.weight_shape = shape; });
  refuses("rows are too long", [](Valid& v) { v.claim.weight_shape = Shape{4, kMaxSize, 3}; });
  refuses("rows are too long",
          [](Valid& v) { v.claim.weight_shape = Shape{4, kMaxSize, kMaxSize, kMaxSize}; });
}

void check_operands() {
  refuses("input 2 (gaps) must be an initializer", [](Valid& v) { v.claim.gaps.constant = false; });
  refuses("input 3 (values) must be an initializer", [](Valid& v) { v.claim.values.constant = false; });
  for (const Shape& shape : {Shape{}, Shape{4, 1}, Shape{-4}})
    refuses("gaps are uint16 [count]", [&](Valid& v) { v.claim.gaps.shape = shape; });
  refuses("gaps are uint16", [](Valid& v) { v.claim.gaps.type = ElementType::uint8; });
  for (const Shape& shape : {Shape{}, Shape{3}, Shape{5}, Shape{4, 1}, Shape{kHuge}})
    refuses("values are float32 [4]", [&](Valid& v) { v.claim.values.shape = shape; });
  refuses("values are float32", [](Valid& v) { v.claim.values.type = ElementType::other; });
  refuses("values has a value that is not finite, at element 2", [](Valid& v) { v.values[2] = kNan; });
}

void check_places() {
  refuses("correction 3 of 4 is at weight 24 of [4, 6]", [](Valid& v) { v.gaps[3] = 17; });
  refuses("correction 0 of 4 is at weight 65535 of [4, 6]", [](Valid& v) { v.gaps[0] = 65535; });
  refuses("is at weight 23 of [3, 6]", [](Valid& v) { v.claim.weight_shape = Shape{3, 6}; });
  const Corrections found = accepts("a valid claim", [](Valid&) {});
  expect(found.rows == std::vector<uint32_t>{0, 0, 1, 3}, "rows");
  expect(found.places == std::vector<uint32_t>{1, 2, 0, 5}, "columns");
  expect(found.elements(0, 1).count == 2 && found.elements(0, 4).count == 4, "elements of the first rows");
  expect(found.elements(2, 1).count == 0 && found.elements(3, 1).count == 1, "elements of single rows");
  expect(found.elements(1, 3).columns[1] == 5 && found.elements(3, 1).values == found.values + 3,
         "where they are");
  const Corrections none =
      accepts("no corrections", [](Valid& v) { v.claim.gaps.shape = v.claim.values.shape = {0}; });
  expect(none.elements(0, 4).count == 0, "none");
  accepts("more axes", [](Valid& v) { v.claim.weight_shape = Shape{4, 3, 2, 1}; });
}

}  // namespace

int main() {
  check_attributes();
  check_operands();
  check_places();
  return result(checked);
}
