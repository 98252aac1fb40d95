#include "base/isa.h"

#include <cstdlib>

#ifdef QC_ISA_X86_AVX_VNNI
#include <cpuid.h>
#endif

namespace qc {
namespace {

constexpr const char* kForceVariable = "QCOMPILE_FORCE_ISA";

#ifdef QC_ISA_X86_AVX_VNNI
// __builtin_cpu_supports does not know its name in every compiler. Registers are those of AVX2.
bool has_avx_vnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1) != 0;
}
#endif

// Those that this library has kernels for (the build says so) and that the processor has.
// __builtin_cpu_supports also asks the operating system (xgetbv) whether it saves the wide registers.
std::vector<Isa> detect() {
  std::vector<Isa> found;
#ifdef QC_ISA_X86_AVX2
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#ifdef QC_ISA_X86_AVX512
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#ifdef QC_ISA_X86_AVX512_VNNI
  // Every processor that has the first two so far has the third.
  const bool vnni = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
                    __builtin_cpu_supports("avx512vpopcntdq");
#ifdef QC_ISA_X86_AVX512_BF16
  // A processor that has it but not all of the others (there is one family) runs the kernels of avx512.
  if (avx512 && vnni && __builtin_cpu_supports("avx512bf16")) found.push_back(Isa::avx512_bf16);
#endif
  if (avx512 && vnni) found.push_back(Isa::avx512_vnni);
#endif
  if (avx512) found.push_back(Isa::avx512);
#endif
#ifdef QC_ISA_X86_AVX_VNNI
  if (avx2 && has_avx_vnni()) found.push_back(Isa::avx_vnni);
#endif
  if (avx2) found.push_back(Isa::avx2);
#endif
  found.push_back(Isa::scalar);
  return found;
}

std::string names(const std::vector<Isa>& isas) {
  std::string text;
  for (Isa isa : isas) text += (text.empty() ? "" : ", ") + std::string(isa_name(isa));
  return text;
}

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx512_bf16:
      return "avx512_bf16";
    case Isa::avx512_vnni:
      return "avx512_vnni";
    case Isa::avx512:
      return "avx512";
    case Isa::avx_vnni:
      return "avx_vnni";
    case Isa::avx2:
      return "avx2";
    case Isa::scalar:
      break;
  }
  return "scalar";
}

bool includes(Isa isa, Isa needed) {
  switch (needed) {
    case Isa::avx512_bf16:
    case Isa::avx_vnni:
      return isa == needed;
    case Isa::avx512_vnni:
      return isa == needed || isa == Isa::avx512_bf16;
    case Isa::avx512:
      return isa == needed || includes(isa, Isa::avx512_vnni);
    case Isa::avx2:
      return isa != Isa::scalar;
    case Isa::scalar:
      break;
  }
  return true;
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

std::string choose_isa(Isa* chosen) {
  const char* forced = std::getenv(kForceVariable);
  *chosen = available_isas().front();
  if (forced == nullptr || *forced == '\0') return "";
  for (Isa isa : available_isas()) {
    if (std::string(forced) == isa_name(isa)) return *chosen = isa, "";
  }
  return std::string(kForceVariable) + " is '" + forced + "'; this machine has: " + names(available_isas()) +
         ". Unset it, or name one of these";
}

}  // namespace qc
