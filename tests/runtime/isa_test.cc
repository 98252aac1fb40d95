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
  for (const char* unknown : {"AVX2", "neon", "avx512 ", "none"}) {
    setenv("QCOMPILE_FORCE_ISA", unknown, 1);
    const std::string error = choose_isa(&isa);
    expect_contains(error, std::string("'") + unknown + "'");
    expect_contains(error, "scalar");
  }
  return result(available_isas().size());
}
