// Memory of a kernel for the duration of a task, from the caching allocator.
#pragma once
#include "core/allocator.h"

namespace mt::cpu::MT_ISA {

template <class T>
struct Scratch {
  T* data;
  int64_t count;

  explicit Scratch(int64_t n)
      : data(static_cast<T*>(cpu_allocate(size_t(n) * sizeof(T)))), count(n) {}
  ~Scratch() { cpu_free(data, size_t(count) * sizeof(T)); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

}  // namespace mt::cpu::MT_ISA
