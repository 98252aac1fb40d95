// Memory for one call, kept for the next call of the same thread: a call of a few microseconds must not wait
// for fresh pages.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace qc {

class Scratch {
 public:
  // Throws std::bad_alloc. A second Scratch alive on the same thread gets memory of its own: kept too, if it
  // says another `slot`.
  explicit Scratch(size_t floats, size_t slot = 0) : slot_(slot), held_(std::exchange(kept(slot), Buffer{})) {
    if (held_.size < floats) held_ = {Floats(allocate(floats)), floats};
  }
  // What is large is given back at once.
  ~Scratch() {
    if (held_.size <= kKeptFloats) kept(slot_) = std::move(held_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  float* data() const { return held_.data.get(); }

 private:
  static constexpr size_t kSlots = 2;
  static constexpr size_t kKeptFloats = size_t{1} << 20;
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(float* data) const { ::operator delete(data, kAlignment); }
  };
  using Floats = std::unique_ptr<float, Free>;
  struct Buffer {
    Floats data;
    size_t size = 0;
  };

  static float* allocate(size_t floats) {
    size_t bytes = 0;
    if (__builtin_mul_overflow(floats, sizeof(float), &bytes)) throw std::bad_alloc();
    return static_cast<float*>(::operator new(bytes, kAlignment));
  }
  static Buffer& kept(size_t slot) {
    static thread_local Buffer buffers[kSlots];
    return buffers[slot];
  }

  size_t slot_;
  Buffer held_;
};

}  // namespace qc
