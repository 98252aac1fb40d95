// Whole MatMuls and convolutions on every instruction set of this machine: sizes around each block.
#include "base/checked_arithmetic.h"
#include "operators.h"

using namespace qc;
using namespace qc::test;

namespace {

size_t checked = 0;

void check_matmuls(Random& random, Isa isa, Precision precision) {
  struct Case {
    int64_t n, k;
    size_t m;
  };
  // Around the blocks of 64 rows, 240 positions, 512 columns, and over the 16384 columns of a slice.
  const Case cases[] = {{1, 1, 1},     {63, 31, 2},   {64, 32, 3},   {65, 33, 4},    {1, 1, 5},
                        {64, 511, 15}, {65, 512, 16}, {9, 513, 17},  {129, 40, 239}, {8, 24, 240},
                        {70, 25, 241}, {3, 16384, 6}, {3, 16385, 6}, {2, 33000, 5}};
  for (const Case& c : cases) {
    const size_t bits = uniform(random, 1, 8);
    const Flush flush = uniform(random, 0, 1) == 0 ? Flush::low : Flush::high;
    const size_t groups = uniform(random, 0, 1) == 0 ? 1 : static_cast<size_t>(c.n);
    const RandomOperands operands(random, {c.n, c.k}, bits, groups, flush, precision);
    check_matmul(random, operands, isa, c.m, true, flush);
    if (c.m <= 20) check_matmul(random, operands, isa, c.m, false, flush);
    ++checked;
  }
}

void check_convolutions(Random& random, Isa isa, Precision precision) {
  struct Case {
    Shape weight, x;
    ConvolutionClaim claim;
  };
  const Case cases[] = {
      {{3, 2, 7, 5}, {5, 2, 4, 3}, {Shape{1, 1}, Shape{1, 2, 6, 2}, Shape{1, 1}, 1}},  // kernel larger than x
      {{2, 1, 1, 9}, {3, 1, 6, 2}, {Shape{1, 1}, Shape{0, 1, 0, 7}, Shape{1, 1}, 1}},  // shifts beyond a row
      {{6, 1, 5, 5}, {2, 1, 28, 28}, {Shape{1, 1}, Shape{2, 2, 2, 2}, Shape{1, 1}, 1}},
      {{16, 8, 3, 3}, {1, 8, 17, 19}, {Shape{2, 2}, Shape{1, 1, 1, 1}, Shape{1, 1}, 1}},
      {{16, 1, 3, 3}, {3, 16, 9, 9}, {Shape{1, 1}, Shape{1, 1, 1, 1}, Shape{1, 1}, 16}},  // depthwise
      {{12, 4, 1, 1}, {2, 12, 7, 7}, {Shape{1, 1}, Shape{0, 0, 0, 0}, Shape{1, 1}, 3}},  // pointwise, grouped
      {{4, 2, 3, 2},
       {1, 2, 11, 13},
       {Shape{1, 3}, Shape{0, 4, 3, 1}, Shape{2, 3}, 1}},                              // dilated, uneven pads
      {{5, 3, 4}, {4, 3, 50}, {Shape{3}, Shape{2, 5}, Shape{2}, 1}},                   // one axis
      {{4, 1, 3, 3}, {1, 1, 1, 1}, {Shape{1, 1}, Shape{3, 3, 3, 3}, Shape{1, 1}, 1}},  // mostly pad
      {{2, 70, 16, 16}, {1, 70, 17, 17}, {Shape{1, 1}, Shape{0, 0, 0, 0}, Shape{1, 1}, 1}},  // two slices
      {{5, 1, 3, 3}, {2, 5, 150, 91}, {Shape{1, 1}, Shape{1, 1, 1, 1}, Shape{1, 1}, 5}},     // tiles of rows
      {{2, 1, 9}, {2, 2, 9001}, {Shape{2}, Shape{4, 4}, Shape{1}, 2}},  // tiles of columns
      {{300, 1, 3, 3}, {2, 300, 7, 7}, {Shape{2, 2}, Shape{1, 1, 1, 1}, Shape{1, 1}, 300}},  // many at once
      {{1400, 1, 5, 5}, {1, 1400, 7, 7}, {Shape{1, 1}, Shape{2, 2, 2, 2}, Shape{1, 1}, 1400}},  // two tasks
      {{21, 2, 3, 3}, {1, 6, 40, 40}, {Shape{1, 1}, Shape{1, 1, 1, 1}, Shape{1, 1}, 3}},  // 7 outputs a group
      {{4, 1, 3, 3}, {1, 4, 30, 31}, {Shape{5, 7}, Shape{9, 0, 2, 20}, Shape{1, 1}, 4}},  // skipped inputs
      {{4, 1, 3, 5},
       {1, 4, 30, 31},
       {Shape{3, 2}, Shape{8, 8, 8, 8}, Shape{5, 4}, 4}},  // phases and dilation
      {{2, 1, 2, 2}, {1, 2, 3, 3}, {Shape{900, 1}, Shape{999, 2, 999, 2}, Shape{900, 1}, 2}},  // far away
      {{3, 2, 2, 2}, {0, 2, 4, 4}, {Shape{1, 1}, Shape{0, 0, 0, 0}, Shape{1, 1}, 1}},          // no images
  };
  for (const Case& c : cases) {
    for (Flush flush : {Flush::low, Flush::high}) {
      const RandomOperands operands(random, c.weight, uniform(random, 1, 8), 1, flush, precision);
      check_conv(random, operands, c.claim, c.x, isa, flush);
      ++checked;
    }
  }
}

// What would need more than a tile is left to the panels, however large the numbers.
void check_depthwise_limits() {
  struct Case {
    Shape weight;
    ConvolutionClaim claim;
    bool expected;
  };
  constexpr int64_t kLarge = kMaxSize;
  const Case cases[] = {
      {{8, 1, 3, 3}, {Shape{1, 1}, Shape(4), Shape{1, 1}, 8}, true},
      {{8, 1, 3, 3}, {Shape{kLarge, kLarge}, Shape(4), Shape{1, 1}, 8}, true},
      {{8, 1, 3, 3}, {Shape{1, 1}, Shape(4), Shape{kLarge, 1}, 8}, false},
      {{8, 1, 3, 3}, {Shape{kLarge, kLarge}, Shape(4), Shape{kLarge, kLarge}, 8}, false},
      {{8, 1, 3, 3}, {Shape{1, 1}, Shape(4), Shape{50, 1}, 8}, false},
      {{8, 1, 3, 3}, {Shape{1, 1}, Shape{kLarge, kLarge, kLarge, kLarge}, Shape{1, 1}, 8}, true},
      {{8, 30, 3, 3}, {Shape{1, 1}, Shape(4), Shape{1, 1}, 8}, false},  // too many weights
      {{16, 9, 1, 1}, {Shape{1, 1}, Shape(4), Shape{1, 1}, 1}, false},  // too many images
      {{8, 1, 3, 3}, {Shape{1, 1}, Shape(4), Shape{1, 1}, 1}, true},
      {{17, 1, 3, 3}, {Shape{1, 1}, Shape(4), Shape{1, 1}, 1}, false},  // too many outputs
  };
  for (const Case& c : cases) {
    PackedWeight weight;
    Convolution convolution;
    weight.rows.columns = static_cast<size_t>(c.weight[1] * c.weight[2] * c.weight[3]);
    expect(check_convolution(c.claim, c.weight, &convolution).empty(), "a valid convolution was refused");
    expect(is_depthwise(weight, convolution) == c.expected, "is_depthwise of " + as_text(c.weight) + ", " +
                                                                as_text(*c.claim.strides) + ", " +
                                                                as_text(*c.claim.dilations));
    ++checked;
  }
}

}  // namespace

int main() {
  check_depthwise_limits();
  for (Isa isa : available_isas()) {
    for (Precision precision : {Precision::plain, Precision::bfloat16}) {
      Random random(11);
      check_matmuls(random, isa, precision);
      check_convolutions(random, isa, precision);
    }
  }
  return result(checked);
}
