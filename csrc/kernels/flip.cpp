// y = x through strides of either sign. One read and one write per element.
#include "ops/flip.h"

#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

template <class T>
void flip_typed(const ElementIter& it) {
  constexpr int64_t size = sizeof(T);
  run_elementwise(it, [](char* const* data, const int64_t* s, int64_t n) {
    if (s[0] == size && s[1] == -size) {
      T* y = reinterpret_cast<T*>(data[0]);
      const T* x = reinterpret_cast<const T*>(data[1]) - (n - 1);
#pragma GCC ivdep
      for (int64_t i = 0; i < n; i++) y[i] = x[n - 1 - i];
    } else if (s[0] == size && s[1] == size) {
      __builtin_memcpy(data[0], data[1], size_t(n * size));
    } else {
      for (int64_t i = 0; i < n; i++)
        *reinterpret_cast<T*>(data[0] + i * s[0]) = *reinterpret_cast<const T*>(data[1] + i * s[1]);
    }
  });
}

}  // namespace

void flip(int64_t itemsize, const ElementIter& it) {
  switch (itemsize) {
    case 1:
      return flip_typed<uint8_t>(it);
    case 2:
      return flip_typed<uint16_t>(it);
    case 4:
      return flip_typed<uint32_t>(it);
    default:
      return flip_typed<uint64_t>(it);
  }
}

}  // namespace mt::cpu::MT_ISA
