// The instruction sets that kernels are written for, and which of them to use.
#pragma once

#include <string>
#include <vector>

namespace qc {

enum class Isa { scalar, avx2, avx_vnni, avx512, avx512_vnni, avx512_bf16 };

const char* isa_name(Isa isa);

// Whether kernels that need `needed` run where `isa` was chosen. They are no line: a processor may have
// avx_vnni and no AVX-512, or AVX-512 and no avx_vnni.
bool includes(Isa isa, Isa needed);

// What this machine and its operating system support, best first; the last one is always `scalar`.
const std::vector<Isa>& available_isas();

// The instruction set to use: the best one, or the one that the environment variable QCOMPILE_FORCE_ISA
// names. The variable is read anew by each call. Returns an error message, empty on success.
std::string choose_isa(Isa* chosen);

}  // namespace qc
