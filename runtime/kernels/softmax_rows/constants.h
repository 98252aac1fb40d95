// The numbers of the exponential (qcompile/row_ops.py has the same).
#pragma once

namespace qc {

constexpr float kLog2OfE = 1.4426950216293335f;
constexpr float kLeastExponent = -32.0f;
constexpr float kPower[] = {0.05500892922282219f, 0.2422109693288803f, 0.6932829022407532f,
                            1.0f};  // the highest first
constexpr int kUnitBits = 20;

}  // namespace qc
