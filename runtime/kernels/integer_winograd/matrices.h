// The matrices of integer_winograd.h.
#pragma once

namespace qc {

constexpr int kWinogradA[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};
constexpr int kWinogradB[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
constexpr int kWinogradG[4][3] = {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}};

}  // namespace qc
