// Which codebook_gemv to run, and the order in which it wants x. Apart from codebook_gemv.h, because ISA
// files must not see the standard library.
#pragma once

#include "base/isa.h"
#include "kernels/codebook_gemv/codebook_gemv.h"

namespace qc {

struct CodebookGemv {
  const char* name;
  codebook_gemv_fn run;
  bool whole_dwords;
  void (*prepare)(size_t rows, size_t columns, float* x) = nullptr;  // of the arranged x, in place; or null

  bool takes(size_t bits, size_t columns) const {
    return !whole_dwords || ((bits == 1 || bits == 2 || bits == 4) && columns * bits % 8 == 0);
  }
};

// Up to so many vectors, groups of kGemvVectors through this kernel are faster than codebook_gemm (measured
// at 4096 x 4096: the fewer operations a weight costs to decode, the more often it may be decoded).
constexpr size_t kFewVectors = 8, kFewVectorsOfDwords = 16;

// The best kernel for such a weight that needs no more than `isa`, which this machine has.
CodebookGemv get_codebook_gemv(Isa isa, size_t bits, size_t columns);

// Floats that arrange_x writes for one vector of `columns`.
size_t arranged_size(const CodebookGemv& kernel, size_t bits, size_t columns);

// Writes x [m, columns] as [m, arranged_size], in the kernel's order, zeros for the columns that are not
// there.
//
// A vector register of the kernel holds 16 lanes. In natural order, lane i of vector v is column 16 v + i. A
// kernel for whole dwords has in each lane the 32 / bits columns of one dword: vector v of a block is what a
// right shift by v * bits leaves at the bottom, so its lane i is column (32 / bits) * i + v of the block.
void arrange_x(const CodebookGemv& kernel, size_t bits, size_t columns, size_t m, const float* x,
               float* arranged);

}  // namespace qc
