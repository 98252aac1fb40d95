// The most that one core can do from registers alone: products of bytes added up in int32, and fused
// multiply-adds of floats. bench/peak.py builds it with -march=native and calls it; the library knows nothing
// of it.
//
// The instructions are written as such: a compiler merges equal products, and moves accumulators about.
#include <chrono>

namespace {

// Accumulators that do not wait for each other: more than an instruction's latency times the number that
// start in a cycle, and with the operands few enough for 16 registers.
constexpr int kWidth = 12;
constexpr int kSteps = 4096;  // a block: some microseconds

typedef int Wide __attribute__((vector_size(64)));
typedef int Narrow __attribute__((vector_size(32)));

// Adds to `sum` the products of bytes of `a` and `b`.
struct Int8 {
#if defined(__AVX512VNNI__)
  using Register = Wide;
  static constexpr const char* kName = "vpdpbusd, 512 bits";
  static void add(Register& sum, Register a, Register b) {
    asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  }
#elif defined(__AVXVNNI__)
  using Register = Narrow;
  static constexpr const char* kName = "vpdpbusd, 256 bits";
  static void add(Register& sum, Register a, Register b) {
    asm volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
  }
#elif defined(__AVX512BW__)
  using Register = Wide;
  static constexpr const char* kName = "vpmaddubsw, vpmaddwd, vpaddd, 512 bits";
  static void add(Register& sum, Register a, Register b) {
    Register pairs;
    asm volatile("vpmaddubsw %3, %2, %0\n\tvpmaddwd %3, %0, %0\n\tvpaddd %0, %1, %1"
                 : "=&v"(pairs), "+v"(sum)
                 : "v"(a), "v"(b));
  }
#elif defined(__AVX2__)
  using Register = Narrow;
  static constexpr const char* kName = "vpmaddubsw, vpmaddwd, vpaddd, 256 bits";
  static void add(Register& sum, Register a, Register b) {
    Register pairs;
    asm volatile("vpmaddubsw %3, %2, %0\n\tvpmaddwd %3, %0, %0\n\tvpaddd %0, %1, %1"
                 : "=&x"(pairs), "+x"(sum)
                 : "x"(a), "x"(b));
  }
#else
  using Register = int;
  static constexpr const char* kName = "";  // none that this file knows
  static void add(Register&, Register, Register) {}
#endif
  static constexpr int kProducts = sizeof(Register);
  static constexpr int kOperand = 0x01030201;  // bytes, as the bits of an int
};

// Adds to `sum` the products of floats of `a` and `b`.
struct Float {
#if defined(__AVX512F__)
  using Register = Wide;
  static constexpr const char* kName = "vfmadd231ps, 512 bits";
  static void add(Register& sum, Register a, Register b) {
    asm volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  }
#elif defined(__FMA__)
  using Register = Narrow;
  static constexpr const char* kName = "vfmadd231ps, 256 bits";
  static void add(Register& sum, Register a, Register b) {
    asm volatile("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
  }
#else
  using Register = int;
  static constexpr const char* kName = "";
  static void add(Register&, Register, Register) {}
#endif
  static constexpr int kProducts = sizeof(Register) / sizeof(float);
  static constexpr int kOperand = 0x3f400000;  // 0.75: no sum of a block overflows, or is too small
};

template <typename Kind>
void block() {
  using Register = typename Kind::Register;
  const Register operand = Register{} + Kind::kOperand;
  Register sums[kWidth] = {};
  for (int step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (Register& sum : sums) Kind::add(sum, operand, operand);
  }
}

// Billions of multiplications and additions a second, over about `seconds`.
template <typename Kind>
double giga_operations(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  double passed = 0, blocks = 0;
  while (passed < seconds || blocks == 0) {
    block<Kind>();
    ++blocks;
    passed = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return 2e-9 * Kind::kProducts * kSteps * kWidth * blocks / passed;
}

}  // namespace

extern "C" {

// What is measured; "" where this file knows nothing of the kind for the processor.
const char* int8_instruction() { return Int8::kName; }
const char* float_instruction() { return Float::kName; }

double int8_giga_operations(double seconds) { return giga_operations<Int8>(seconds); }
double float_giga_operations(double seconds) { return giga_operations<Float>(seconds); }
}
