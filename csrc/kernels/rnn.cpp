// Per step: a = W_ih x + W_hh h + biases, and
//   LSTM  i f g o = sig sig tanh sig(a), c' = f c + i g, h' = o tanh(c')
//   GRU   r z = sig sig(a), n = tanh(a_n + r (W_hn h + b_hn)), h' = n + z (h - n)
//   RNN   h' = tanh(a) or max(a, 0)
// The products with x are one matrix product outside of this kernel. Here a task is a slice of
// hidden units of some rows: its product with h, and the gates on it while they are in cache; one
// meeting of the threads per step. Backward walks the steps in reverse: dh = dout + da' W_hh.
// Saved: activated gates; cells (LSTM), W_hn h + b_hn (GRU).
#include "ops/rnn.h"

#include "core/parallel.h"
#include "kernels/block_gemm.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kRows = 48, kColumns = 64;

MT_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// w_hh as panels[slice][k][gate * W + unit]: what a slice needs of row k of its transpose,
// together.
template <class T, RnnKind kind>
void pack(const RnnArgs& a, T* panels) {
  constexpr int64_t G = rnn_gates(kind), W = rnn_slice(kind);
  const int64_t h = a.hidden;
  const T* w = static_cast<const T*>(a.w_hh);
  parallel_for(ceil_div(h, W), ceil_div(kGrain, h * G * W), [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; s++)
      for (int64_t g = 0; g < G; g++)
        for (int64_t u = 0; u < W; u++) {
          T* to = panels + s * h * G * W + g * W + u;
          const T* from = w + (g * h + s * W + u) * h;
          const bool there = s * W + u < h;
          for (int64_t k = 0; k < h; k++) to[k * G * W] = there ? from[k] : T(0);
        }
  });
}

// The gates of one row for units [u0, u0 + w): ah holds the products with h, gate by gate.
template <class T, RnnKind kind>
MT_INLINE void cell_forward(const RnnArgs& a, int64_t u0, int64_t w, const T* ah, T* gates,
                            T* extra, const T* h_before, const T* c_before, T* out) {
  constexpr int64_t W = rnn_slice(kind);
  const int64_t h = a.hidden;
  T* g0 = gates + u0;
  if constexpr (kind == RnnKind::lstm) {
    T *gi = g0, *gf = g0 + h, *gg = g0 + 2 * h, *go = g0 + 3 * h;
#pragma GCC ivdep
    for (int64_t u = 0; u < w; u++) {
      const T i = fn::sigmoid(gi[u] + ah[u]), f = fn::sigmoid(gf[u] + ah[W + u]);
      const T g = fn::tanh(gg[u] + ah[2 * W + u]), o = fn::sigmoid(go[u] + ah[3 * W + u]);
      const T c = f * c_before[u0 + u] + i * g;
      gi[u] = i;
      gf[u] = f;
      gg[u] = g;
      go[u] = o;
      extra[u0 + u] = c;
      out[u0 + u] = o * fn::tanh(c);
    }
  } else if constexpr (kind == RnnKind::gru) {
    T *gr = g0, *gz = g0 + h, *gn = g0 + 2 * h;
    const T* b = static_cast<const T*>(a.b_hn);
#pragma GCC ivdep
    for (int64_t u = 0; u < w; u++) {
      const T r = fn::sigmoid(gr[u] + ah[u]), z = fn::sigmoid(gz[u] + ah[W + u]);
      const T inner = ah[2 * W + u] + (b ? b[u0 + u] : T(0));
      const T n = fn::tanh(gn[u] + r * inner);
      gr[u] = r;
      gz[u] = z;
      gn[u] = n;
      extra[u0 + u] = inner;
      out[u0 + u] = n + z * (h_before[u0 + u] - n);
    }
  } else {
#pragma GCC ivdep
    for (int64_t u = 0; u < w; u++) {
      const T v = g0[u] + ah[u];
      out[u0 + u] = kind == RnnKind::tanh ? fn::tanh(v) : v < T(0) ? T(0) : v;
    }
  }
}

template <class T, RnnKind kind>
void forward(const RnnArgs& a, T* gates, T* extra, const T* h0, const T* c0, T* out, T* panels) {
  constexpr int64_t G = rnn_gates(kind), W = rnn_slice(kind);
  const int64_t h = a.hidden, state = a.n * h, slices = ceil_div(h, W),
                blocks = ceil_div(a.n, kRows);
  pack<T, kind>(a, panels);
  const int64_t cost = least(a.n, kRows) * h * G * W / 8;
  const T *h_before = h0, *c_before = c0;
  for (int64_t step = 0; step < a.steps; step++) {
    const int64_t t = a.reverse ? a.steps - 1 - step : step;
    T *g = gates + t * state * G, *e = extra + t * state, *o = out + t * state;
    parallel_for(
        slices * blocks, ceil_div(kGrain / 2, cost ? cost : 1), [&](int64_t begin, int64_t end) {
          for (int64_t task = begin; task < end; task++) {
            const int64_t s = task / blocks, r0 = task % blocks * kRows, u0 = s * W;
            const int64_t rows = least(kRows, a.n - r0), w = least(W, h - u0);
            alignas(64) T ah[kRows * G * W];
            block_gemm<T>(rows, G * W, h, h_before + r0 * h, h, 1, panels + s * h * G * W, G * W,
                          ah, G * W, false);
            for (int64_t r = 0; r < rows; r++) {
              const int64_t row = r0 + r;
              auto run = [&](int64_t width) {
                cell_forward<T, kind>(a, u0, width, ah + r * G * W, g + row * G * h, e + row * h,
                                      h_before + row * h, c_before + row * h, o + row * h);
              };
              if (w == W) run(W);
              else run(w);
            }
          }
        });
    h_before = o;
    c_before = e;
  }
}

template <class T>
struct Backward {
  const T *gates, *extra, *h0, *c0, *out, *dout, *dh_n, *dc_n;
  T *dgates, *dhidden, *dh0, *dc0;
};

// The gradients of one row for units [u0, u0 + w). dh: the whole gradient of h'. carry: LSTM: the
// gradient of c' on entry and of c on return; GRU: on return what of dh reaches h directly.
template <class T, RnnKind kind>
MT_INLINE void cell_backward(int64_t h, int64_t w, const T* dh, const T* gates, const T* extra,
                             const T* h_before, const T* c_before, const T* out, T* carry, T* dg,
                             T* dr) {
  if constexpr (kind == RnnKind::lstm) {
#pragma GCC ivdep
    for (int64_t u = 0; u < w; u++) {
      const T i = gates[u], f = gates[h + u], g = gates[2 * h + u], o = gates[3 * h + u];
      const T tc = fn::tanh(extra[u]);
      const T dc = carry[u] + dh[u] * o * (T(1) - tc * tc);
      dg[u] = dc * g * i * (T(1) - i);
      dg[h + u] = dc * c_before[u] * f * (T(1) - f);
      dg[2 * h + u] = dc * i * (T(1) - g * g);
      dg[3 * h + u] = dh[u] * tc * o * (T(1) - o);
      carry[u] = dc * f;
    }
  } else if constexpr (kind == RnnKind::gru) {
#pragma GCC ivdep
    for (int64_t u = 0; u < w; u++) {
      const T r = gates[u], z = gates[h + u], n = gates[2 * h + u];
      const T dn = dh[u] * (T(1) - z) * (T(1) - n * n);
      const T drv = dn * extra[u] * r * (T(1) - r);
      const T dz = dh[u] * (h_before[u] - n) * z * (T(1) - z);
      dg[u] = drv;
      dg[h + u] = dz;
      dg[2 * h + u] = dn;
      dr[u] = drv;
      dr[h + u] = dz;
      dr[2 * h + u] = dn * r;
      carry[u] = dh[u] * z;
    }
  } else {
#pragma GCC ivdep
    for (int64_t u = 0; u < w; u++)
      dg[u] = kind == RnnKind::tanh ? dh[u] * (T(1) - out[u] * out[u])
              : out[u] > T(0)       ? dh[u]
                                    : T(0);
  }
}

template <class T, RnnKind kind>
void backward(const RnnArgs& a, const Backward<T>& b) {
  constexpr int64_t G = rnn_gates(kind);
  const int64_t h = a.hidden, state = a.n * h, width = h >= 256 ? kColumns : kColumns / 2;
  const int64_t slices = ceil_div(h, width), blocks = ceil_div(a.n, kRows);
  const T* w_hh = static_cast<const T*>(a.w_hh);
  if (b.dc0)
    for (int64_t i = 0; i < state; i++)
      b.dc0[i] = kind == RnnKind::lstm && b.dc_n ? b.dc_n[i] : T(0);
  const int64_t cost = least(a.n, kRows) * h * G * width / 8;
  // One round more than there are steps: the last gives the gradient of h0.
  for (int64_t step = a.steps; step >= 0; step--) {
    auto time = [&](int64_t s) { return a.reverse ? a.steps - 1 - s : s; };
    const bool last = step == a.steps;
    const T* da_next = last ? nullptr : b.dhidden + time(step) * state * G;
    const int64_t t = step > 0 ? time(step - 1) : 0;
    const T* h_before = step > 1 ? b.out + time(step - 2) * state : b.h0;
    const T* c_before = step > 1 ? b.extra + time(step - 2) * state : b.c0;
    parallel_for(
        slices * blocks, ceil_div(kGrain / 2, cost ? cost : 1), [&](int64_t begin, int64_t end) {
          for (int64_t task = begin; task < end; task++) {
            const int64_t u0 = task / blocks * width, r0 = task % blocks * kRows;
            const int64_t rows = least(kRows, a.n - r0), w = least(width, h - u0);
            alignas(64) T dh[kRows * kColumns];
            if (last) {
              for (int64_t r = 0; r < rows; r++)
                for (int64_t u = 0; u < w; u++)
                  dh[r * w + u] = b.dh_n ? b.dh_n[(r0 + r) * h + u0 + u] : T(0);
            } else {
              block_gemm<T>(rows, w, G * h, da_next + r0 * G * h, G * h, 1, w_hh + u0, h, dh, w,
                            false);
            }
            for (int64_t r = 0; r < rows; r++) {
              const int64_t at = (r0 + r) * h + u0, gate = t * state * G + (r0 + r) * G * h + u0;
              T* d = dh + r * w;
              if (kind == RnnKind::gru && !last)
                for (int64_t u = 0; u < w; u++) d[u] += b.dc0[at + u];
              if (step == 0) {
                for (int64_t u = 0; u < w; u++) b.dh0[at + u] = d[u];
                continue;
              }
              if (b.dout)
                for (int64_t u = 0; u < w; u++) d[u] += b.dout[t * state + at + u];
              cell_backward<T, kind>(h, w, d, b.gates + gate, b.extra + t * state + at,
                                     h_before + at, c_before + at, b.out + t * state + at,
                                     b.dc0 + at, b.dgates + gate, b.dhidden + gate);
            }
          }
        });
  }
}

// run(kind) with the kind as a compile-time constant.
template <RnnKind kind>
struct Kind {
  static constexpr RnnKind value = kind;
};
template <class Run>
MT_INLINE void with_kind(RnnKind kind, const Run& run) {
  switch (kind) {
    case RnnKind::lstm:
      return run(Kind<RnnKind::lstm>{});
    case RnnKind::gru:
      return run(Kind<RnnKind::gru>{});
    case RnnKind::tanh:
      return run(Kind<RnnKind::tanh>{});
    case RnnKind::relu:
      return run(Kind<RnnKind::relu>{});
  }
}

template <class T>
void add_biases(RnnKind kind, int64_t hidden, const T* b_ih, const T* b_hh, T* sum) {
  const int64_t n = rnn_gates(kind) * hidden, both = kind == RnnKind::gru ? 2 * hidden : n;
  for (int64_t i = 0; i < n; i++)
    sum[i] = (b_ih ? b_ih[i] : T(0)) + (b_hh && i < both ? b_hh[i] : T(0));
}

}  // namespace

void rnn_biases(DType dtype, RnnKind kind, int64_t hidden, const void* b_ih, const void* b_hh,
                void* sum) {
  MT_SWITCH_FLOAT(dtype,
                  add_biases(kind, hidden, static_cast<const scalar_t*>(b_ih),
                             static_cast<const scalar_t*>(b_hh), static_cast<scalar_t*>(sum)))
}

void rnn_forward(const RnnArgs& args, void* gates, void* extra, const void* h0, const void* c0,
                 void* out, void* panels) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    with_kind(args.kind, [&](auto kind) {
      forward<T, decltype(kind)::value>(args, static_cast<T*>(gates), static_cast<T*>(extra),
                                        static_cast<const T*>(h0), static_cast<const T*>(c0),
                                        static_cast<T*>(out), static_cast<T*>(panels));
    });
  })
}

void rnn_backward(const RnnArgs& args, const void* gates, const void* extra, const void* h0,
                  const void* c0, const void* out, const void* dout, const void* dh_n,
                  const void* dc_n, void* dgates, void* dhidden, void* dh0, void* dc0) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    const Backward<T> b{
        static_cast<const T*>(gates), static_cast<const T*>(extra), static_cast<const T*>(h0),
        static_cast<const T*>(c0),    static_cast<const T*>(out),   static_cast<const T*>(dout),
        static_cast<const T*>(dh_n),  static_cast<const T*>(dc_n),  static_cast<T*>(dgates),
        static_cast<T*>(dhidden),     static_cast<T*>(dh0),         static_cast<T*>(dc0)};
    with_kind(args.kind, [&](auto kind) { backward<T, decltype(kind)::value>(args, b); });
  })
}

}  // namespace mt::cpu::MT_ISA
