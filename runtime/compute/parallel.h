// How work is handed to threads.
#pragma once

#include <cstddef>
#include <functional>
#include <type_traits>

namespace qc {

// Refers to what is called with the number of a task, which must outlive it. A std::function would allocate.
class Task {
 public:
  template <typename Callable, typename = std::enable_if_t<!std::is_same_v<Callable, Task>>>
  Task(const Callable& callable)
      : callable_(&callable),
        call_([](const void* object, size_t i) { (*static_cast<const Callable*>(object))(i); }) {}

  void operator()(size_t i) const { call_(callable_, i); }

 private:
  const void* callable_;
  void (*call_)(const void* object, size_t i);
};

// Calls task(i) once for each i in [0, count), in any order, perhaps on several threads; returns when all are
// done. Tasks do not throw.
using Parallel = std::function<void(size_t count, const Task& task)>;

}  // namespace qc
