// Functions that are the same on the CPU and under CUDA, written in those of math.h. MT_FN is the
// namespace: mt::cpu::<isa>::fn or mt::cuda::fn (kernels/fn.h).
#pragma once
#include "core/macros.h"

namespace MT_FN {

template <class T>
MT_INLINE T sigmoid(T x) {
  return T(1) / (T(1) + exp(-x));
}

// sin(u) / u with u = pi x, and its derivative pi (cos(u) - sinc) / u; by their series around 0,
// where the quotients cancel.
template <class T>
MT_INLINE T sinc(T x) {
  T u = T(3.141592653589793) * x;
  return x == T(0) ? T(1) : sin(u) / u;
}
template <class T>
MT_INLINE T sinc_derivative(T x) {
  T u = T(3.141592653589793) * x, z = u * u;
  T near = u * (T(-1) / T(3) + z * (T(1) / T(30) - z / T(840)));
  return T(3.141592653589793) * (z < T(0.01) ? near : (cos(u) - sin(u) / u) / u);
}

}  // namespace MT_FN
