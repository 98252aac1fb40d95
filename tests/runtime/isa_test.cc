// Detection, and forcing one by the environment.
#include "base/isa.h"

#include "support.h"

using namespace qc;
using namespace qc::test;

int main() {
  Isa isa;
  unsetenv("QCOMPILE_FORCE_ISA");
  expect(choose_isa(&isa).empty() && isa == available_isas().front(), "the best is chosen");
  expect(available_isas().back() == Isa::scalar, "scalar is always there");
  for (Isa available : available_isas()) {
    setenv("QCOMPILE_FORCE_ISA", isa_name(available), 1);
    expect(choose_isa(&isa).empty() && isa == available, std::string("can force ") + isa_name(available));
  }
  setenv("QCOMPILE_FORCE_ISA", "", 1);
  expect(choose_isa(&isa).empty(), "an empty name forces nothing");
  for (Isa wider : {Isa::avx2, Isa::avx_vnni, Isa::avx512, Isa::avx512_vnni, Isa::avx512_bf16}) {
    expect(includes(wider, Isa::scalar) && includes(wider, Isa::avx2) && includes(wider, wider),
           std::string(isa_name(wider)) + " includes the narrower ones");
    expect(!includes(Isa::scalar, wider), "scalar includes nothing else");
  }
  expect(includes(Isa::avx512_bf16, Isa::avx512_vnni) && !includes(Isa::avx512_vnni, Isa::avx512_bf16),
         "avx512_bf16 is more than avx512_vnni");
  expect(!includes(Isa::avx512_vnni, Isa::avx_vnni) && !includes(Isa::avx_vnni, Isa::avx512),
         "AVX-512 and avx_vnni do not include each other");
  for (const char* unknown : {"AVX2", "neon", "avx512 ", "none"}) {
    setenv("QCOMPILE_FORCE_ISA", unknown, 1);
    const std::string error = choose_isa(&isa);
    expect_contains(error, std::string("'") + unknown + "'");
    expect_contains(error, "scalar");
  }
  return result(available_isas().size());
}
