// Pooling with one plane per lane: windows of any shape are then loops over whole vectors, without
// shuffles, ragged rows or divisions. Channels_last planes lie so already; others are transposed
// into blocks that fit in the second-level cache, and back: a quarter of a cycle per element where
// a vector has 16 lanes, less than a scalar loop takes for the first tap.
#pragma once
#include "core/parallel.h"
#include "kernels/pool_window.h"
#include "kernels/scratch.h"
#include "kernels/simd.h"
#include "kernels/transpose_tile.h"

namespace mt::cpu::MT_ISA {

// Positions begin, begin + step .. < end of a dim that a window covers inside of the plane, the
// number of the first one's tap, and the elements that an average divides by.
struct Window {
  int64_t begin, end, tap, size;
};

// The windows of every dim.
struct Axes {
  Scratch<Window> all;
  Window* at[3];
  int64_t step[3];

  Axes(const PoolParams& p, bool adaptive) : all(p.out[0] + p.out[1] + p.out[2]) {
    Window* next = all.data;
    for (int d = 0; d < 3; d++) {
      at[d] = next;
      step[d] = adaptive ? 1 : p.dilation[d];
      for (int64_t q = 0; q < p.out[d]; q++)
        *next++ = adaptive ? adapted(p, d, q) : sliding(p, d, q);
    }
  }

  static Window adapted(const PoolParams& p, int d, int64_t q) {
    const int64_t begin = q * p.in[d] / p.out[d], end = ceil_div((q + 1) * p.in[d], p.out[d]);
    return {begin, end, 0, end - begin};
  }
  static Window sliding(const PoolParams& p, int d, int64_t q) {
    const int64_t first = q * p.stride[d] - p.padding[d], step = p.dilation[d], in = p.in[d];
    const int64_t tap = first < 0 ? ceil_div(-first, step) : 0;
    int64_t begin = first + tap * step, count = 0;
    if (begin < in) count = clamp64((in - 1 - begin) / step + 1, 0, p.kernel[d] - tap);
    begin = clamp64(begin, 0, in);
    const int64_t last = first + p.kernel[d];
    const int64_t size = p.count_padding ? clamp64(last, first, in + p.padding[d]) - first
                                         : clamp64(last, 0, in) - clamp64(first, 0, in);
    return {begin, begin + count * step, tap, size};
  }
};

struct Range {
  int64_t begin, end;
  MT_INLINE int64_t size() const { return end - begin; }
};

// Planes [plane, plane + lanes) of some rows: outputs q of the leading two dims and the inputs i
// that they read, or inputs i and the outputs that read them.
struct Part {
  int64_t plane, lanes;
  Range q[2], i[2];

  // The inputs of outputs q, or the other way round.
  void complete(const Axes& axes, const PoolParams& p, bool by_input) {
    for (int d = 0; d < 2; d++) {
      Range& hull = by_input ? q[d] : i[d];
      const int64_t begin = by_input ? 0 : q[d].begin, end = by_input ? p.out[d] : q[d].end;
      bool any = false;
      for (int64_t k = begin; k < end; k++) {
        const Window& w = axes.at[d][k];
        if (w.begin >= w.end || (by_input && (w.end <= i[d].begin || w.begin >= i[d].end)))
          continue;
        const int64_t lo = by_input ? k : w.begin, hi = (by_input ? k : w.end - axes.step[d]) + 1;
        hull.begin = any && hull.begin < lo ? hull.begin : lo;
        hull.end = any && hull.end > hi ? hull.end : hi;
        any = true;
      }
      if (!any) hull = {0, 0};
    }
  }
};

// Where the elements of some rows of lanes are: lanes side by side, pixels in order.
template <class T>
struct Pixels {
  T* data;
  int64_t pixel, row, slab;  // strides
  int64_t origin[2];         // the first slab and row
  MT_INLINE T* at(int64_t i0, int64_t i1) const {
    return data + (i0 - origin[0]) * slab + (i1 - origin[1]) * row;
  }
};

constexpr int kWide = 4;  // vectors of a pixel that share the work of finding it

// Whether planes are worth a lane each, rather than a pixel of a row.
template <class T>
bool planes_fill_lanes(const PoolParams& p) {
  return p.in_size() < INT32_MAX && (p.channels > 0 || 2 * p.planes >= simd::kLanes<T>);
}

// f(part) for every part, cut by inputs or by outputs; parts of different inputs (outputs) never
// share one.
template <class T, class F>
void for_parts(const PoolParams& p, const Axes& axes, bool by_input, const F& f) {
  constexpr int64_t kPartBytes = 256 << 10, L = simd::kLanes<T>;
  const int64_t width = p.channels ? p.channels : p.planes >= 16 * L ? kWide * L : L;
  const int64_t blocks = ceil_div(p.planes, width), slab = p.in[1] * p.in[2];
  const int64_t limit = kPartBytes / (int64_t(sizeof(T)) * width) + 1;
  const int64_t* rows = by_input ? p.in : p.out;
  int64_t n[2] = {rows[0], rows[1]};  // of a part
  if (p.in_size() > limit) {
    n[0] = slab > limit ? 1 : clamp64(rows[0] * limit / p.in_size(), 1, rows[0]);
    if (slab > limit) n[1] = clamp64(rows[1] * limit / slab, 1, rows[1]);
  }
  const int64_t bands0 = ceil_div(rows[0], n[0]), bands1 = ceil_div(rows[1], n[1]);
  const int64_t bands = bands0 * bands1, work = p.in_size() * width / bands + 1;
  parallel_for(blocks * bands, ceil_div(kGrain, work), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      Part t;
      t.plane = k / bands * width;
      t.lanes = p.planes - t.plane < width ? p.planes - t.plane : width;
      const int64_t band[2] = {k % bands / bands1, k % bands1};
      for (int d = 0; d < 2; d++) {
        const int64_t from = band[d] * n[d], to = from + n[d] < rows[d] ? from + n[d] : rows[d];
        (by_input ? t.i[d] : t.q[d]) = {from, to};
      }
      t.complete(axes, p, by_input);
      f(t);
    }
  });
}

// to[i * pixel + j] = from[j * plane + i] for i < n, j < lanes <= L, and zero for other j < L.
template <class T, class From>
MT_INLINE void to_lanes(const From* from, int64_t plane, int64_t lanes, int64_t n, int64_t pixel,
                        T* to) {
  constexpr int64_t L = simd::kLanes<T>;
  if (lanes == L && n >= L) {
    for (int64_t k = 0; k < n; k += L) {
      const int64_t i = k + L <= n ? k : n - L;
      if constexpr (sizeof(T) == sizeof(From)) {
        transpose_tile<T, L>(to + i * pixel, pixel * int64_t(sizeof(T)), from + i,
                             plane * int64_t(sizeof(T)));
      } else {
        T tile[L * L];
        for (int64_t j = 0; j < L; j++)
          for (int64_t b = 0; b < L; b++) tile[j * L + b] = T(from[j * plane + i + b]);
        transpose_tile<T, L>(to + i * pixel, pixel * int64_t(sizeof(T)), tile, L * sizeof(T));
      }
    }
    return;
  }
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < L; j++) to[i * pixel + j] = j < lanes ? T(from[j * plane + i]) : T(0);
}

// The way back.
template <class T, class To>
MT_INLINE void from_lanes(const T* from, int64_t pixel, int64_t n, int64_t plane, int64_t lanes,
                          To* to) {
  constexpr int64_t L = simd::kLanes<T>;
  if (lanes == L && n >= L) {
    for (int64_t k = 0; k < n; k += L) {
      const int64_t i = k + L <= n ? k : n - L;
      if constexpr (sizeof(T) == sizeof(To)) {
        transpose_tile<T, L>(reinterpret_cast<T*>(to + i), plane * int64_t(sizeof(T)),
                             from + i * pixel, pixel * int64_t(sizeof(T)));
      } else {
        T tile[L * L];
        transpose_tile<T, L>(tile, L * sizeof(T), from + i * pixel, pixel * int64_t(sizeof(T)));
        for (int64_t j = 0; j < L; j++)
          for (int64_t b = 0; b < L; b++) to[j * plane + i + b] = To(tile[j * L + b]);
      }
    }
    return;
  }
  for (int64_t j = 0; j < lanes; j++)
    for (int64_t i = 0; i < n; i++) to[j * plane + i] = To(from[i * pixel + j]);
}

// Rows `r` of planes of n[0] x n[1] x n[2] elements as lanes: in place where channels are last,
// else brought to a block (read) and back (write), where `width` lanes, a multiple of L, are a
// pixel.
template <class T>
struct LaneRows {
  static constexpr int64_t L = simd::kLanes<T>;
  const PoolParams& p;
  const int64_t* n;
  const Part& part;
  const Range* r;
  int64_t width;
  Scratch<T> block;

  LaneRows(const PoolParams& params, const int64_t* sizes, const Part& t, const Range* rows)
      : p(params),
        n(sizes),
        part(t),
        r(rows),
        width(p.channels ? p.channels : ceil_div(part.lanes, L) * L),
        block(p.channels ? 0 : r[0].size() * run_size() * width) {}

  Pixels<T> local() const {
    const int64_t row = n[2] * width;
    return {block.data, width, row, r[1].size() * row, {r[0].begin, r[1].begin}};
  }
  template <class X>
  Pixels<X> global(X* x) const {
    const int64_t row = n[2] * width;
    return {x + first_plane(), width, row, n[1] * row, {0, 0}};
  }
  // Of x, which is not written where channels are last.
  Pixels<T> view(const T* x) const { return p.channels ? global(const_cast<T*>(x)) : local(); }
  // Those of x, or of the block, set to zero.
  Pixels<T> zeros(T* x) const {
    const Pixels<T> to = view(x);
    for (int64_t s = r[0].begin; s < r[0].end; s++)
      __builtin_memset(to.at(s, r[1].begin), 0, size_t(run_size() * width) * sizeof(T));
    return to;
  }

  template <class From>
  void read(const From* x) const {
    for_runs([&](int64_t run, int64_t plane, int64_t lanes, T* at) {
      to_lanes(x + run, plane, lanes, run_size(), width, at);
    });
  }
  template <class To>
  void write(To* y) const {
    for_runs([&](int64_t run, int64_t plane, int64_t lanes, T* at) {
      from_lanes(at, width, run_size(), plane, lanes, y + run);
    });
  }

 private:
  int64_t run_size() const { return r[1].size() * n[2]; }
  int64_t first_plane() const { return part.plane * n[0] * n[1] * n[2]; }
  // f(start, plane size, planes, their lanes in the block) for the runs of L planes' rows.
  template <class F>
  MT_INLINE void for_runs(const F& f) const {
    const int64_t plane = n[0] * n[1] * n[2];
    for (int64_t j = 0; j < part.lanes; j += L)
      for (int64_t s = 0; s < r[0].size(); s++)
        f(first_plane() + j * plane + ((r[0].begin + s) * n[1] + r[1].begin) * n[2], plane,
          part.lanes - j < L ? part.lanes - j : L, block.data + s * run_size() * width + j);
  }
};

// body(c, io, count) for every `count` vectors of lanes from c on.
template <int N>
struct Count {
  static constexpr int value = N;
};
template <class T, class Body>
MT_INLINE void for_lanes(int64_t n, const Body& body) {
  constexpr int64_t L = simd::kLanes<T>;
  int64_t c = 0;
  for (; c + kWide * L <= n; c += kWide * L) body(c, simd::Whole<T>{}, Count<kWide>{});
  for (; c + L <= n; c += L) body(c, simd::Whole<T>{}, Count<1>{});
  if (c < n) body(c, simd::Part<T>{n - c}, Count<1>{});
}

// w without the positions outside of `to`, which cut a window of step 1 or more.
MT_INLINE Window clip(Window w, int64_t step, Range to) {
  if (w.begin < to.begin) {
    const int64_t skip = ceil_div(to.begin - w.begin, step);
    w.begin += skip * step;
    w.tap += skip;
  }
  if (w.end - step >= to.end) w.end = w.begin + (to.end - w.begin + step - 1) / step * step;
  if (w.end < w.begin) w.end = w.begin;
  return w;
}

// f(windows, q0, q1, q2) for the outputs of a part, their windows cut to rows `i`.
template <class F>
MT_INLINE void for_outputs(const PoolParams& p, const Axes& axes, const Part& part, const F& f) {
  for (int64_t q0 = part.q[0].begin; q0 < part.q[0].end; q0++)
    for (int64_t q1 = part.q[1].begin; q1 < part.q[1].end; q1++) {
      const Window w0 = clip(axes.at[0][q0], axes.step[0], part.i[0]);
      const Window w1 = clip(axes.at[1][q1], axes.step[1], part.i[1]);
      for (int64_t q2 = 0; q2 < p.out[2]; q2++) f(w0, w1, axes.at[2][q2], q0, q1, q2);
    }
}

}  // namespace mt::cpu::MT_ISA
