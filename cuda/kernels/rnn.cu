// Per step: a = W_ih x + W_hh h + biases, and
//   LSTM  i f g o = sig sig tanh sig(a), c' = f c + i g, h' = o tanh(c')
//   GRU   r z = sig sig(a), n = tanh(a_n + r (W_hn h + b_hn)), h' = n + z (h - n)
//   RNN   h' = tanh(a) or max(a, 0)
// The products with x are one matrix product outside of this kernel. Here a step is the product
// with h, added to the gates as they are (GRU: kept apart), and a kernel of one thread per hidden
// unit. Backward walks the steps in reverse: dh = dout + da' W_hh. Saved: activated gates; cells
// (LSTM), W_hn h + b_hn (GRU).
#include "ops/rnn.h"

#include "cuda/core/launch.h"
#include "cuda/core/math.h"
#include "cuda/core/scratch.h"
#include "cuda/core/vec.h"
#include "ops/gemm.h"

namespace mt::cuda {
namespace {

// gates: of one step; ah [n, 3 hidden] (GRU): the products with h.
template <class T, RnnKind kind>
__global__ void __launch_bounds__(kThreads, 4)
    rnn_forward_kernel(int64_t n, int64_t h, T* __restrict__ gates, const T* __restrict__ ah,
                       const T* __restrict__ b_hn, T* __restrict__ extra,
                       const T* __restrict__ h_before, const T* __restrict__ c_before,
                       T* __restrict__ out) {
  constexpr int64_t G = rnn_gates(kind);
  for (int64_t at = thread_index(); at < n * h; at += thread_count()) {
    const int64_t row = at / h, u = at - row * h;
    T* g0 = gates + row * G * h + u;
    if constexpr (kind == RnnKind::lstm) {
      const T i = fn::sigmoid(g0[0]), f = fn::sigmoid(g0[h]);
      const T g = fn::tanh(g0[2 * h]), o = fn::sigmoid(g0[3 * h]);
      const T c = f * c_before[at] + i * g;
      g0[0] = i;
      g0[h] = f;
      g0[2 * h] = g;
      g0[3 * h] = o;
      extra[at] = c;
      out[at] = o * fn::tanh(c);
    } else if constexpr (kind == RnnKind::gru) {
      const T* a0 = ah + row * G * h + u;
      const T r = fn::sigmoid(g0[0] + a0[0]), z = fn::sigmoid(g0[h] + a0[h]);
      const T inner = a0[2 * h] + (b_hn ? b_hn[u] : T(0));
      const T v = fn::tanh(g0[2 * h] + r * inner);
      g0[0] = r;
      g0[h] = z;
      g0[2 * h] = v;
      extra[at] = inner;
      out[at] = v + z * (h_before[at] - v);
    } else {
      const T v = g0[0];
      out[at] = kind == RnnKind::tanh ? fn::tanh(v) : v < T(0) ? T(0) : v;
    }
  }
}

// c = a @ b (+ c) for contiguous row-major matrices, b transposed in memory where it says so.
template <class T>
void product(int64_t m, int64_t n, int64_t k, const T* a, const T* b, bool transposed, T* c,
             double beta) {
  GemmArgs g{.dtype = dtype_of<T>::value, .m = m, .n = n, .k = k};
  g.a = a, g.a_row = k, g.a_col = 1;
  g.b = b, g.b_row = transposed ? 1 : n, g.b_col = transposed ? k : 1;
  g.c = c, g.c_row = n;
  g.beta = beta;
  gemm(g);
}

template <class T, RnnKind kind>
void forward(const RnnArgs& a, T* gates, T* extra, const T* h0, const T* c0, T* out) {
  constexpr int64_t G = rnn_gates(kind);
  constexpr bool kApart = kind == RnnKind::gru;
  const int64_t h = a.hidden, state = a.n * h;
  if (state == 0) return;
  const Scratch products(kApart ? size_t(state * G) * sizeof(T) : 0);
  const T *w_hh = static_cast<const T*>(a.w_hh), *b_hn = static_cast<const T*>(a.b_hn);
  const T *h_before = h0, *c_before = c0;
  for (int64_t step = 0; step < a.steps; step++) {
    const int64_t t = a.reverse ? a.steps - 1 - step : step;
    T *g = gates + t * state * G, *e = extra + t * state, *o = out + t * state;
    product(a.n, G * h, h, h_before, w_hh, true, kApart ? products.as<T>() : g, kApart ? 0 : 1);
    MT_LAUNCH((rnn_forward_kernel<T, kind>), grid_for(state, kThreads, 1 << 16), kThreads, 0,
              stream(), a.n, h, g, products.as<const T>(), b_hn, e, h_before, c_before, o);
    h_before = o;
    c_before = e;
  }
}

template <class T>
struct Backward {
  const T *gates, *extra, *h0, *c0, *out, *dout, *dh_n, *dc_n;
  T *dgates, *dhidden, *dh0, *dc0;
};

// The gradients of one step, whose pointers lie in `b`; dh: of h' from the next step, or null.
// Before the first step (`to_h0`) only dh0 is left. dc0 carries: LSTM: the gradient of the cells;
// GRU: what of dh reaches h directly.
template <class T, RnnKind kind>
__global__ void __launch_bounds__(kThreads, 4)
    rnn_backward_kernel(int64_t n, int64_t h, const Backward<T> b, const T* __restrict__ dh_next,
                        const T* __restrict__ h_before, const T* __restrict__ c_before,
                        bool to_h0) {
  constexpr int64_t G = rnn_gates(kind);
  const bool last = dh_next == nullptr;
  for (int64_t at = thread_index(); at < n * h; at += thread_count()) {
    const int64_t row = at / h, u = at - row * h;
    T dh = last ? (b.dh_n ? b.dh_n[at] : T(0)) : dh_next[at];
    if (kind == RnnKind::gru && !last) dh += b.dc0[at];
    if (to_h0) {
      b.dh0[at] = dh;
      continue;
    }
    if (b.dout) dh += b.dout[at];
    const T* gates = b.gates + row * G * h + u;
    T* dg = b.dgates + row * G * h + u;
    if constexpr (kind == RnnKind::lstm) {
      const T i = gates[0], f = gates[h], g = gates[2 * h], o = gates[3 * h];
      const T tc = fn::tanh(b.extra[at]);
      const T carried = last ? (b.dc_n ? b.dc_n[at] : T(0)) : b.dc0[at];
      const T dc = carried + dh * o * (T(1) - tc * tc);
      dg[0] = dc * g * i * (T(1) - i);
      dg[h] = dc * c_before[at] * f * (T(1) - f);
      dg[2 * h] = dc * i * (T(1) - g * g);
      dg[3 * h] = dh * tc * o * (T(1) - o);
      b.dc0[at] = dc * f;
    } else if constexpr (kind == RnnKind::gru) {
      T* dr = b.dhidden + row * G * h + u;
      const T r = gates[0], z = gates[h], v = gates[2 * h];
      const T dn = dh * (T(1) - z) * (T(1) - v * v);
      const T drv = dn * b.extra[at] * r * (T(1) - r);
      const T dz = dh * (h_before[at] - v) * z * (T(1) - z);
      dg[0] = drv;
      dg[h] = dz;
      dg[2 * h] = dn;
      dr[0] = drv;
      dr[h] = dz;
      dr[2 * h] = dn * r;
      b.dc0[at] = dh * z;
    } else {
      const T y = b.out[at];
      dg[0] = kind == RnnKind::tanh ? dh * (T(1) - y * y) : y > T(0) ? dh : T(0);
    }
  }
}

template <class T, RnnKind kind>
void backward(const RnnArgs& a, const Backward<T>& all) {
  constexpr int64_t G = rnn_gates(kind);
  const int64_t h = a.hidden, state = a.n * h;
  if (state == 0) return;
  const Scratch next(size_t(state) * sizeof(T));
  // One round more than there are steps: the last gives the gradient of h0.
  for (int64_t step = a.steps; step >= 0; step--) {
    const auto time = [&](int64_t s) { return a.reverse ? a.steps - 1 - s : s; };
    const bool last = step == a.steps;
    if (!last)
      product(a.n, h, G * h, all.dhidden + time(step) * state * G, static_cast<const T*>(a.w_hh),
              false, next.as<T>(), 0);
    const int64_t t = step > 0 ? time(step - 1) : 0;
    const T* h_before = step > 1 ? all.out + time(step - 2) * state : all.h0;
    const T* c_before = step > 1 ? all.extra + time(step - 2) * state : all.c0;
    Backward<T> b = all;
    b.gates += t * state * G, b.dgates += t * state * G, b.dhidden += t * state * G;
    b.extra += t * state, b.out += t * state;
    if (b.dout) b.dout += t * state;
    MT_LAUNCH((rnn_backward_kernel<T, kind>), grid_for(state, kThreads, 1 << 16), kThreads, 0,
              stream(), a.n, h, b, last ? nullptr : next.as<const T>(), h_before, c_before,
              step == 0);
  }
}

// run(kind) with the kind as a compile-time constant.
template <RnnKind kind>
struct Kind {
  static constexpr RnnKind value = kind;
};
template <class Run>
void with_kind(RnnKind kind, const Run& run) {
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
__global__ void __launch_bounds__(kThreads)
    rnn_biases_kernel(int64_t n, int64_t both, const T* __restrict__ b_ih,
                      const T* __restrict__ b_hh, T* __restrict__ sum) {
  const int64_t i = thread_index();
  if (i < n) sum[i] = (b_ih ? b_ih[i] : T(0)) + (b_hh && i < both ? b_hh[i] : T(0));
}

template <class T>
void add_biases(RnnKind kind, int64_t hidden, const T* b_ih, const T* b_hh, T* sum) {
  const int64_t n = rnn_gates(kind) * hidden, both = kind == RnnKind::gru ? 2 * hidden : n;
  MT_LAUNCH((rnn_biases_kernel<T>), grid_for(n, kThreads), kThreads, 0, stream(), n, both, b_ih,
            b_hh, sum);
}

}  // namespace

void rnn_biases(DType dtype, RnnKind kind, int64_t hidden, const void* b_ih, const void* b_hh,
                void* sum) {
  MT_SWITCH_FLOAT(dtype,
                  add_biases(kind, hidden, static_cast<const scalar_t*>(b_ih),
                             static_cast<const scalar_t*>(b_hh), static_cast<scalar_t*>(sum)))
}

void rnn_forward(const RnnArgs& args, void* gates, void* extra, const void* h0, const void* c0,
                 void* out, void*) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    with_kind(args.kind, [&](auto kind) {
      forward<T, decltype(kind)::value>(args, static_cast<T*>(gates), static_cast<T*>(extra),
                                        static_cast<const T*>(h0), static_cast<const T*>(c0),
                                        static_cast<T*>(out));
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

}  // namespace mt::cuda
