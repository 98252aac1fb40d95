// The instruction sets that kernels are written for, and which of them to use.
#pragma once

#include <string>
#include <vector>

namespace qc {

// Ordered: a machine that has one of them also has those before it.
enum class Isa { scalar, avx2, avx512 };

const char* isa_name(Isa isa);

// What this machine and its operating system support, best first; the last one is always `scalar`.
const std::vector<Isa>& available_isas();

// The instruction set to use: the best one, or the one that the environment variable QCOMPILE_FORCE_ISA
// names. The variable is read anew by each call. Returns an error message, empty on success.
std::string choose_isa(Isa* chosen);

}  // namespace qc
