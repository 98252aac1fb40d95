// The sparse operators' work, cut into tasks, for sizes at which tasks end and for every geometry.
#include "operators.h"

using namespace qc;
using namespace qc::test;

namespace {

size_t checked = 0;

void check_matmuls(Random& random, Isa isa) {
  const Shape shapes[] = {{1, 1}, {3, 7}, {64, 33}, {700, 20}, {5, 300}};
  for (const Shape& shape : shapes)
    for (size_t m : {1, 2, 15, 16, 17, 40})
      for (size_t spacing : {1, 10, 100000})
        for (Flush flush : {Flush::low, Flush::high}) {
          const RandomCorrections operands(random, shape, spacing, flush);
          check_sparse_matmul(random, operands, isa, m, flush);
          ++checked;
        }
}

void check_convolutions(Random& random, Isa isa) {
  struct Case {
    Shape weight, x;
    ConvolutionClaim claim;
  };
  const Case cases[] = {
      {{16, 3, 3, 3}, {2, 3, 20, 19}, {Shape{1, 1}, Shape{1, 1, 1, 1}, Shape{1, 1}, 1}},
      {{8, 4, 1, 1}, {3, 4, 9, 8}, {Shape{1, 1}, Shape{0, 0, 0, 0}, Shape{1, 1}, 1}},  // rows are merged
      {{8, 4, 1, 1}, {3, 4, 9, 8}, {Shape{2, 3}, Shape{0, 0, 0, 0}, Shape{1, 1}, 1}},
      {{6, 1, 3, 3}, {2, 6, 8, 8}, {Shape{1, 1}, Shape{1, 1, 1, 1}, Shape{1, 1}, 6}},   // depthwise
      {{9, 2, 3, 2}, {1, 6, 11, 9}, {Shape{1, 2}, Shape{2, 1, 0, 3}, Shape{2, 3}, 3}},  // groups, dilation
      {{5, 2, 7}, {4, 2, 40}, {Shape{3}, Shape{2, 4}, Shape{2}, 1}},                    // one axis
      {{2, 1, 3, 3}, {1, 2, 1, 1}, {Shape{1, 1}, Shape{5, 5, 5, 5}, Shape{2, 2}, 2}},   // mostly pads
      {{2, 1, 2, 2}, {1, 2, 3, 3}, {Shape{900, 1}, Shape{999, 2, 999, 2}, Shape{900, 1}, 2}},
      {{4, 2, 3, 3}, {0, 2, 5, 5}, {Shape{1, 1}, Shape{0, 0, 0, 0}, Shape{1, 1}, 1}},  // no images
  };
  for (const Case& c : cases)
    for (size_t spacing : {1, 5, 100000})
      for (Flush flush : {Flush::low, Flush::high}) {
        const RandomCorrections operands(random, c.weight, spacing, flush);
        check_sparse_conv(random, operands, c.claim, c.x, isa, flush);
        ++checked;
      }
}

}  // namespace

int main() {
  for (Isa isa : available_isas()) {
    Random random(13);
    check_matmuls(random, isa);
    check_convolutions(random, isa);
  }
  return result(checked);
}
