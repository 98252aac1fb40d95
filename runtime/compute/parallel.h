// How work is handed to threads.
#pragma once

#include <cstddef>
#include <functional>

namespace qc {

// Calls task(i) once for each i in [0, count), in any order, perhaps on several threads; returns when all are
// done. Tasks do not throw.
using Parallel = std::function<void(size_t count, const std::function<void(size_t)>& task)>;

}  // namespace qc
