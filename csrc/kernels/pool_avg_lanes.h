// Average pooling with one plane per lane (kernels/pool_lanes.h): one load and one addition per tap
// and vector of planes, and backward a read and a write as well. The rows of a window are added up
// apart, so that a window of n x n rounds 2 n times.
#pragma once
#include "kernels/pool_lanes.h"

namespace mt::cpu::MT_ISA {

template <class T>
MT_INLINE T window_divisor(const PoolParams& p, bool adaptive, const Window& w0, const Window& w1,
                           const Window& w2) {
  return T(!adaptive && p.divisor ? p.divisor : w0.size * w1.size * w2.size);
}

template <class T>
void avg_forward_lanes(const PoolParams& p, bool adaptive, const T* x, T* y) {
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  const Axes axes(p, adaptive);
  for_parts<T>(p, axes, false, [&](const Part& part) {
    const LaneRows<T> in(p, p.in, part, part.i), out(p, p.out, part, part.q);
    if (!p.channels) in.read(x);
    const Pixels<T> from = in.view(x), to = out.view(y);
    for_outputs(p, axes, part,
                [&](const Window& w0, const Window& w1, const Window& w2, int64_t q0, int64_t q1,
                    int64_t q2) {
                  const V divisor = simd::set(window_divisor<T>(p, adaptive, w0, w1, w2));
                  T* result = to.at(q0, q1) + q2 * to.pixel;
                  for_lanes<T>(in.width, [&](int64_t c, auto io, auto count) {
                    constexpr int N = decltype(count)::value;
                    V sum[N] = {};
                    for (int64_t i0 = w0.begin; i0 < w0.end; i0++)
                      for (int64_t i1 = w1.begin; i1 < w1.end; i1++) {
                        const T* at = from.at(i0, i1) + w2.begin * from.pixel + c;
                        V row[N] = {};
                        for (int64_t i2 = w2.begin; i2 < w2.end; i2++, at += from.pixel)
                          for (int k = 0; k < N; k++) row[k] += io.get(at + k * L);
                        for (int k = 0; k < N; k++) sum[k] += row[k];
                      }
                    for (int k = 0; k < N; k++) io.put(result + c + k * L, sum[k] / divisor);
                  });
                });
    if (!p.channels) out.write(y);
  });
}

template <class T>
void avg_backward_lanes(const PoolParams& p, bool adaptive, const T* dy, T* dx) {
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  const Axes axes(p, adaptive);
  for_parts<T>(p, axes, true, [&](const Part& part) {
    const LaneRows<T> in(p, p.in, part, part.i), out(p, p.out, part, part.q);
    if (!p.channels) out.read(dy);
    const Pixels<T> to = in.zeros(dx), from = out.view(dy);
    for_outputs(p, axes, part,
                [&](const Window& w0, const Window& w1, const Window& w2, int64_t q0, int64_t q1,
                    int64_t q2) {
                  const V divisor = simd::set(window_divisor<T>(p, adaptive, w0, w1, w2));
                  const T* source = from.at(q0, q1) + q2 * from.pixel;
                  for_lanes<T>(in.width, [&](int64_t c, auto io, auto count) {
                    constexpr int N = decltype(count)::value;
                    V share[N];
                    for (int k = 0; k < N; k++) share[k] = io.get(source + c + k * L) / divisor;
                    for (int64_t i0 = w0.begin; i0 < w0.end; i0++)
                      for (int64_t i1 = w1.begin; i1 < w1.end; i1++) {
                        T* at = to.at(i0, i1) + w2.begin * to.pixel + c;
                        for (int64_t i2 = w2.begin; i2 < w2.end; i2++, at += to.pixel)
                          for (int k = 0; k < N; k++)
                            io.put(at + k * L, io.get(at + k * L) + share[k]);
                      }
                  });
                });
    if (!p.channels) in.write(dx);
  });
}

}  // namespace mt::cpu::MT_ISA
