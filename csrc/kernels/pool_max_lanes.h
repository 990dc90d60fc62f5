// Maximum pooling with one plane per lane (kernels/pool_lanes.h). Per window and vector of planes:
// one load, two comparisons and two selections per tap. Backward compares the remembered tap with
// every tap of the window and adds dy where they agree.
#pragma once
#include "kernels/pool_lanes.h"

namespace mt::cpu::MT_ISA {

template <class T>
constexpr T lowest() {
  if constexpr (__is_same(T, int64_t)) {
    return INT64_MIN;
  } else {
    return -T(__builtin_inf());
  }
}

// Names of the positions of a window: the numbers of its taps, or places in the plane.
struct Names {
  int64_t unit[3], step[3];
  bool taps;

  Names(const PoolParams& p, const Axes& axes, bool as_taps) : taps(as_taps) {
    const int64_t* n = taps ? p.kernel : p.in;
    unit[0] = n[1] * n[2], unit[1] = n[2], unit[2] = 1;
    for (int d = 0; d < 3; d++) step[d] = unit[d] * (taps ? 1 : axes.step[d]);
  }
  MT_INLINE int64_t first(const Window& w0, const Window& w1, const Window& w2) const {
    return taps ? w0.tap * unit[0] + w1.tap * unit[1] + w2.tap
                : w0.begin * unit[0] + w1.begin * unit[1] + w2.begin;
  }
};

// f(element of `x`, its name) for the positions of the windows.
template <class T, class F>
MT_INLINE void for_positions(const Window& w0, const Window& w1, const Window& w2,
                             const int64_t* step, const Names& names, const Pixels<T>& x,
                             const F& f) {
  int64_t name0 = names.first(w0, w1, w2);
  for (int64_t i0 = w0.begin; i0 < w0.end; i0 += step[0], name0 += names.step[0]) {
    int64_t name1 = name0;
    for (int64_t i1 = w1.begin; i1 < w1.end; i1 += step[1], name1 += names.step[1]) {
      T* v = x.at(i0, i1) + w2.begin * x.pixel;
      int64_t name = name1;
      for (int64_t i2 = w2.begin; i2 < w2.end; i2 += step[2], name += names.step[2]) {
        f(v, name);
        v += step[2] * x.pixel;
      }
    }
  }
}

template <class T, class To>
MT_INLINE void store_names(simd::Vec<typename Int<sizeof(T)>::type> v, int64_t count, To* to) {
  constexpr int L = simd::kLanes<T>;
  typename Int<sizeof(T)>::type lane[L];
  __builtin_memcpy(lane, &v, sizeof v);
  if (count >= L) {
    for (int j = 0; j < L; j++) to[j] = To(lane[j]);
  } else {
    for (int j = 0; j < count; j++) to[j] = To(lane[j]);
  }
}

// The other way round, for taps.
template <class T>
MT_INLINE simd::Vec<typename Int<sizeof(T)>::type> load_names(const uint8_t* from, int64_t count) {
  constexpr int L = simd::kLanes<T>;
  typename Int<sizeof(T)>::type lane[L];
  if (count >= L) {
    for (int j = 0; j < L; j++) lane[j] = from[j];
  } else {
    for (int j = 0; j < L; j++) lane[j] = j < count ? from[j] : 0;
  }
  return simd::load(lane);
}

// Name is uint8_t for taps, int64_t for places.
template <class T, class Name, bool kIndex>
void max_forward_lanes(const PoolParams& p, bool adaptive, const T* x, T* y, Name* index) {
  using I = typename Int<sizeof(T)>::type;
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  const Axes axes(p, adaptive);
  const Names names(p, axes, sizeof(Name) == 1);
  for_parts<T>(p, axes, false, [&](const Part& part) {
    const LaneRows<T> in(p, p.in, part, part.i), out(p, p.out, part, part.q);
    const LaneRows<I> found(p, p.out, part, part.q);
    if (!p.channels) in.read(x);
    const Pixels<T> from = in.view(x), to = out.view(y);
    const Pixels<I> local = found.local();
    const Pixels<Name> global = found.global(index);
    for_outputs(p, axes, part,
                [&](const Window& w0, const Window& w1, const Window& w2, int64_t q0, int64_t q1,
                    int64_t q2) {
                  const bool none = w0.begin >= w0.end || w1.begin >= w1.end || w2.begin >= w2.end;
                  const int64_t first = none ? (names.taps ? kNoTap : 0) : names.first(w0, w1, w2);
                  T* result = to.at(q0, q1) + q2 * to.pixel;
                  for_lanes<T>(in.width, [&](int64_t c, auto io, auto count) {
                    constexpr int N = decltype(count)::value;
                    V best[N];
                    simd::Vec<I> name_of[N];
                    for (int k = 0; k < N; k++)
                      best[k] = simd::set(lowest<T>()), name_of[k] = simd::set(I(first));
                    for_positions(w0, w1, w2, axes.step, names, from,
                                  [&](const T* at, int64_t name) {
                                    for (int k = 0; k < N; k++) {
                                      const V v = io.get(at + c + k * L);
                                      auto take = v > best[k];
                                      if constexpr (!__is_same(T, int64_t)) take |= v != v;
                                      best[k] = take ? v : best[k];
                                      if constexpr (kIndex)
                                        name_of[k] = take ? simd::set(I(name)) : name_of[k];
                                    }
                                  });
                    for (int k = 0; k < N; k++) {
                      const int64_t j = c + k * L;
                      io.put(result + j, best[k]);
                      if constexpr (kIndex) {
                        if (p.channels)
                          store_names<T>(name_of[k], in.width - j,
                                         global.at(q0, q1) + q2 * global.pixel + j);
                        else simd::store(local.at(q0, q1) + q2 * local.pixel + j, name_of[k]);
                      }
                    }
                  });
                });
    if (!p.channels) {
      out.write(y);
      if (kIndex) found.write(index);
    }
  });
}

// dx from the taps of the maxima.
template <class T>
void max_backward_lanes(const PoolParams& p, const T* dy, const uint8_t* index, T* dx) {
  using I = typename Int<sizeof(T)>::type;
  using V = simd::Vec<T>;
  constexpr int L = simd::kLanes<T>;
  const Axes axes(p, false);
  const Names names(p, axes, true);
  for_parts<T>(p, axes, true, [&](const Part& part) {
    const LaneRows<T> in(p, p.in, part, part.i), out(p, p.out, part, part.q);
    const LaneRows<I> taps(p, p.out, part, part.q);
    if (!p.channels) out.read(dy), taps.read(index);
    const Pixels<T> to = in.zeros(dx), from = out.view(dy);
    const Pixels<I> local = taps.local();
    const Pixels<const uint8_t> global = taps.global(index);
    for_outputs(p, axes, part,
                [&](const Window& w0, const Window& w1, const Window& w2, int64_t q0, int64_t q1,
                    int64_t q2) {
                  const T* source = from.at(q0, q1) + q2 * from.pixel;
                  for_lanes<T>(in.width, [&](int64_t c, auto io, auto count) {
                    constexpr int N = decltype(count)::value;
                    V g[N];
                    simd::Vec<I> tap[N];
                    for (int k = 0; k < N; k++) {
                      const int64_t j = c + k * L;
                      g[k] = io.get(source + j);
                      tap[k] = p.channels ? load_names<T>(global.at(q0, q1) + q2 * global.pixel + j,
                                                          in.width - j)
                                          : simd::load(local.at(q0, q1) + q2 * local.pixel + j);
                    }
                    for_positions(w0, w1, w2, axes.step, names, to, [&](T* at, int64_t name) {
                      for (int k = 0; k < N; k++) {
                        T* sum = at + c + k * L;
                        io.put(sum, io.get(sum) + (tap[k] == simd::set(I(name)) ? g[k] : V{}));
                      }
                    });
                  });
                });
    if (!p.channels) in.write(dx);
  });
}

// dx of channels_last planes from the places of the maxima.
template <class T>
void max_places_lanes(const PoolParams& p, const T* dy, const int64_t* places, T* dx) {
  const int64_t c = p.channels, chunk = c < 64 ? c : 64, chunks = ceil_div(c, chunk);
  const int64_t work = (p.in_size() + 4 * p.out_size()) * chunk;
  parallel_for(p.planes / c * chunks, ceil_div(kGrain, work), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; task++) {
      const int64_t image = task / chunks, from = task % chunks * chunk;
      const int64_t n = c - from < chunk ? c - from : chunk;
      T* to = dx + image * p.in_size() * c + from;
      const int64_t at = image * p.out_size() * c + from;
      for (int64_t i = 0; i < p.in_size(); i++)
        for (int64_t j = 0; j < n; j++) to[i * c + j] = T(0);
      for (int64_t q = 0; q < p.out_size(); q++)
        for (int64_t j = 0; j < n; j++) to[places[at + q * c + j] * c + j] += dy[at + q * c + j];
    }
  });
}

}  // namespace mt::cpu::MT_ISA
