// The inverse of erf. Start: the polynomials of Giles 2012, "Approximating the erfinv function", in
// w = -log(1 - x^2), for the centre and for the tails; float64 then improves it by Newton's method.
// Included by math.h.
#pragma once
#include "kernels/math.h"

namespace mt::cpu::MT_ISA::fn {

// erfinv(x) = x * factor(w)
MT_INLINE float erfinv_factor(float w) {
  float centre =
      horner(w - 2.5f, 1.50140941f, 0.246640727f, -0.00417768164f, -0.00125372503f, 0.00021858087f,
             -4.39150654e-06f, -3.5233877e-06f, 3.43273939e-07f, 2.81022636e-08f);
  float tail =
      horner(sqrt(w) - 3.0f, 2.83297682f, 1.00167406f, 0.00943887047f, -0.0076224613f,
             0.00573950773f, -0.00367342844f, 0.00134934322f, 0.000100950558f, -0.000200214257f);
  return w < 5.0f ? centre : tail;
}

MT_INLINE float erfinv(float x) {
  float a = fabs(x), w = -log((1.0f - a) * (1.0f + a));
  float y = a == 1.0f ? kInf : erfinv_factor(w) * a;  // NaN beyond 1, where log is
  return copysign(y, x);
}

MT_INLINE double erfinv(double x) {
  const double a = fabs(x), two_over_sqrt_pi = 1.1283791670955126;
  if (!(a <= 1.0)) return bits<double>(uint64_t(0x7ff8000000000000));
  if (a == 1.0) return copysign(double(kInf), x);
  double w = -log((1.0 - a) * (1.0 + a)), y = erfinv_factor(float(w)) * a;
  for (int i = 0; i < 3; i++) {
    // In the tail on log(erfc), which is nearly a parabola there.
    double slope = two_over_sqrt_pi * exp(-y * y);
    if (a < 0.5) {
      y -= (erf(y) - a) / slope;
    } else {
      double tail = erfc(y);
      y += (log(tail) - log(1.0 - a)) * tail / slope;
    }
  }
  return copysign(y, x);
}

}  // namespace mt::cpu::MT_ISA::fn
