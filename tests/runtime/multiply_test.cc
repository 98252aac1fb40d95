// Whole MatMuls and convolutions on every instruction set of this machine: sizes around each block.
#include "operators.h"

using namespace qc;
using namespace qc::test;

namespace {

size_t checked = 0;

void check_matmuls(Random& random, Isa isa) {
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
    const RandomOperands operands(random, {c.n, c.k}, bits, groups, flush);
    check_matmul(random, operands, isa, c.m, true, flush);
    if (c.m <= 20) check_matmul(random, operands, isa, c.m, false, flush);
    ++checked;
  }
}

void check_convolutions(Random& random, Isa isa) {
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
      {{3, 2, 2, 2}, {0, 2, 4, 4}, {Shape{1, 1}, Shape{0, 0, 0, 0}, Shape{1, 1}, 1}},        // no images
  };
  for (const Case& c : cases) {
    for (Flush flush : {Flush::low, Flush::high}) {
      const RandomOperands operands(random, c.weight, uniform(random, 1, 8), 1, flush);
      check_conv(random, operands, c.claim, c.x, isa, flush);
      ++checked;
    }
  }
}

}  // namespace

int main() {
  for (Isa isa : available_isas()) {
    Random random(11);
    check_matmuls(random, isa);
    check_convolutions(random, isa);
  }
  return result(checked);
}
