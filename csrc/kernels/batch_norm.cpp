// y = xh * w + b, xh = (x - mean) * rstd, per channel over n planes of `inner` elements.
// dx = w * rstd * (dy - mean(dy) - xh * mean(dy * xh)) in training, w * rstd * dy in evaluation;
// dw = sum(dy * xh), db = sum(dy). Saved: mean and rstd.
// A thread takes whole channels: the planes of one stay in its cache between the passes over them,
// so that memory is read once and written once (backward: two reads, one write). With inner = 1 a
// block of neighbouring channels is taken instead, and the loops run across channels.
#include "ops/batch_norm.h"

#include "core/parallel.h"
#include "kernels/scratch.h"
#include "kernels/simd.h"

namespace mt::cpu::MT_ISA {
namespace {

using namespace simd;

constexpr int kColumns = 64;        // channels of a block, inner = 1
constexpr int64_t kFlush = 8192;    // elements summed in T before the sum goes to double
constexpr int64_t kCached = 65536;  // elements that stay in cache between two passes

template <class T>
struct Channel {
  const BatchNormArgs& a;
  int64_t c;
  T weight = a.weight ? static_cast<const T*>(a.weight)[c] : T(1);
  T bias = a.bias ? static_cast<const T*>(a.bias)[c] : T(0);

  int64_t at(int64_t plane) const { return (plane * a.c + c) * a.inner; }
  int64_t count() const { return a.n * a.inner; }

  // body(offset) for planes [p0, p1) of this channel.
  template <class Body>
  MT_INLINE void planes(int64_t p0, int64_t p1, const Body& body) const {
    for (int64_t p = p0; p < p1; p++) body(at(p));
  }
  // Sums of body(i, io, sums) over planes [p0, p1).
  template <int N, class Body>
  MT_INLINE void sum(int64_t p0, int64_t p1, double* totals, const Body& body) const {
    Vec<T> sums[2][N] = {};
    int64_t pending = 0;
    auto flush = [&] {
      for (int k = 0; k < N; k++) {
        totals[k] += double(sum_lanes<T>(sums[0][k] + sums[1][k]));
        sums[0][k] = sums[1][k] = Vec<T>{};
      }
      pending = 0;
    };
    for (int k = 0; k < N; k++) totals[k] = 0;
    for (int64_t p = p0; p < p1; p++) {
      for (int64_t done = 0; done < a.inner; done += kFlush) {
        const int64_t n = a.inner - done < kFlush ? a.inner - done : kFlush, base = at(p) + done;
        constexpr int L = kLanes<T>;
        int64_t i = 0;
        for (; i + 2 * L <= n; i += 2 * L) {
          body(base + i, Whole<T>{}, sums[0]);
          body(base + i + L, Whole<T>{}, sums[1]);
        }
        for (; i + L <= n; i += L) body(base + i, Whole<T>{}, sums[0]);
        if (i < n) body(base + i, Part<T>{n - i}, sums[1]);
        pending += n;
        if (pending >= kFlush) flush();
      }
    }
    flush();
  }
};

// Mean and sum of squared distances from it; groups of planes that fit into cache are combined by
// Chan's formula.
template <class T>
void statistics(const Channel<T>& ch, double* mean_out, double* squares_out) {
  const BatchNormArgs& a = ch.a;
  const T* x = static_cast<const T*>(a.x);
  const int64_t group = a.inner < kCached ? kCached / (a.inner ? a.inner : 1) : 1;
  double mean = 0, squares = 0, count = 0;
  for (int64_t p = 0; p < a.n; p += group) {
    const int64_t end = p + group < a.n ? p + group : a.n;
    const double n = double((end - p) * a.inner);
    double total, m2;
    ch.template sum<1>(p, end, &total,
                       [&](int64_t i, auto io, Vec<T>* s) { s[0] += io.get(x + i); });
    const double m = total / n;
    const T near = T(m);
    const Vec<T> mv = set(near);
    ch.template sum<1>(p, end, &m2, [&](int64_t i, auto io, Vec<T>* s) {
      Vec<T> d;
      if constexpr (__is_same(decltype(io), Part<T>)) d = load_n(x + i, io.rest, near) - mv;
      else d = io.get(x + i) - mv;
      s[0] += d * d;
    });
    m2 -= n * (m - double(near)) * (m - double(near));
    const double delta = m - mean, both = count + n;
    squares += m2 + delta * delta * count * n / both;
    mean += delta * n / both;
    count = both;
  }
  *mean_out = mean;
  *squares_out = squares > 0 || squares != squares ? squares : 0;
}

// y = x * scale + shift over a channel.
template <class T>
void apply(const Channel<T>& ch, T mean, T rstd, T* y) {
  const T* x = static_cast<const T*>(ch.a.x);
  const Vec<T> mv = set(mean), scale = set(T(rstd * ch.weight)), shift = set(ch.bias);
  ch.planes(0, ch.a.n, [&](int64_t at) {
    for_vectors<T>(ch.a.inner, [&](int64_t i, auto io) {
      io.put(y + at + i, (io.get(x + at + i) - mv) * scale + shift);
    });
  });
}

template <class T>
MT_INLINE void move_running(T* running, int64_t c, double momentum, double value) {
  if (running) running[c] = T((1 - momentum) * double(running[c]) + momentum * value);
}

// Where results of the statistics go.
template <class T>
struct Outputs {
  double momentum;
  T *mean, *rstd, *running_mean, *running_var;

  MT_INLINE void put(int64_t c, double count, double eps, double m, double squares) const {
    mean[c] = T(m);
    rstd[c] = T(1 / __builtin_sqrt(squares / count + eps));
    move_running(running_mean, c, momentum, m);
    move_running(running_var, c, momentum, squares / (count - 1));
  }
};

// [n, c]: sums over rows for a block of columns, f(row, column, sums) adds to its column's sums.
template <int N, class T, class F>
MT_INLINE void sum_columns(int64_t rows, int64_t width, double (*totals)[kColumns], const F& f) {
  for (int k = 0; k < N; k++)
    for (int64_t j = 0; j < width; j++) totals[k][j] = 0;
  for (int64_t begin = 0; begin < rows; begin += 512) {
    const int64_t end = begin + 512 < rows ? begin + 512 : rows;
    alignas(64) T sums[N][kColumns] = {};
    for (int64_t r = begin; r < end; r++) f(r, sums);
    for (int k = 0; k < N; k++)
      for (int64_t j = 0; j < width; j++) totals[k][j] += double(sums[k][j]);
  }
}

template <class T>
void train_columns(const BatchNormArgs& a, int64_t c0, int64_t width, const Outputs<T>& out, T* y) {
  const T* x = static_cast<const T*>(a.x) + c0;
  double mean[1][kColumns], squares[1][kColumns];
  T near[kColumns], scale[kColumns], shift[kColumns];
  sum_columns<1, T>(a.n, width, mean, [&](int64_t r, T(*s)[kColumns]) {
#pragma GCC ivdep
    for (int64_t j = 0; j < width; j++) s[0][j] += x[r * a.c + j];
  });
  for (int64_t j = 0; j < width; j++) near[j] = T(mean[0][j] /= double(a.n));
  sum_columns<1, T>(a.n, width, squares, [&](int64_t r, T(*s)[kColumns]) {
#pragma GCC ivdep
    for (int64_t j = 0; j < width; j++) {
      const T d = x[r * a.c + j] - near[j];
      s[0][j] += d * d;
    }
  });
  for (int64_t j = 0; j < width; j++) {
    const Channel<T> ch{a, c0 + j};
    out.put(c0 + j, double(a.n), a.eps, mean[0][j], squares[0][j]);
    scale[j] = out.rstd[c0 + j] * ch.weight;
    shift[j] = ch.bias;
  }
  for (int64_t r = 0; r < a.n; r++)
#pragma GCC ivdep
    for (int64_t j = 0; j < width; j++)
      y[r * a.c + c0 + j] = (x[r * a.c + j] - near[j]) * scale[j] + shift[j];
}

template <class T>
void backward_channel(const Channel<T>& ch, bool train, const T* dy, T mean, T rstd, T* dx, T* dw,
                      T* db) {
  const BatchNormArgs& a = ch.a;
  const T* x = static_cast<const T*>(a.x);
  const Vec<T> mv = set(mean);
  double sums[2];
  ch.template sum<2>(0, a.n, sums, [&](int64_t i, auto io, Vec<T>* s) {
    Vec<T> g = io.get(dy + i);
    s[0] += g;
    s[1] += g * (io.get(x + i) - mv);
  });
  if (dw) {
    dw[ch.c] = T(sums[1] * double(rstd));
    db[ch.c] = T(sums[0]);
  }
  if (!dx) return;
  const double count = double(ch.count()), r = double(rstd);
  const Vec<T> scale = set(T(rstd * ch.weight));
  const Vec<T> c1 = set(train ? T(sums[0] / count) : T(0));
  const Vec<T> c2 = set(train ? T(sums[1] / count * r * r) : T(0));
  ch.planes(0, a.n, [&](int64_t at) {
    for_vectors<T>(a.inner, [&](int64_t i, auto io) {
      Vec<T> d = io.get(x + at + i) - mv;
      io.put(dx + at + i, (io.get(dy + at + i) - c1 - d * c2) * scale);
    });
  });
}

template <class T>
void backward_columns(const BatchNormArgs& a, int64_t c0, int64_t width, bool train, const T* dy,
                      const T* mean, const T* rstd, T* dx, T* dw, T* db) {
  const T* x = static_cast<const T*>(a.x);
  double sums[2][kColumns];
  sum_columns<2, T>(a.n, width, sums, [&](int64_t r, T(*s)[kColumns]) {
    const int64_t at = r * a.c + c0;
#pragma GCC ivdep
    for (int64_t j = 0; j < width; j++) {
      s[0][j] += dy[at + j];
      s[1][j] += dy[at + j] * (x[at + j] - mean[c0 + j]);
    }
  });
  T scale[kColumns], c1[kColumns], c2[kColumns];
  for (int64_t j = 0; j < width; j++) {
    const Channel<T> ch{a, c0 + j};
    const double r = double(rstd[c0 + j]);
    if (dw) {
      dw[c0 + j] = T(sums[1][j] * r);
      db[c0 + j] = T(sums[0][j]);
    }
    scale[j] = rstd[c0 + j] * ch.weight;
    c1[j] = train ? T(sums[0][j] / double(a.n)) : T(0);
    c2[j] = train ? T(sums[1][j] / double(a.n) * r * r) : T(0);
  }
  if (!dx) return;
  for (int64_t r = 0; r < a.n; r++) {
    const int64_t at = r * a.c + c0;
#pragma GCC ivdep
    for (int64_t j = 0; j < width; j++)
      dx[at + j] = (dy[at + j] - c1[j] - (x[at + j] - mean[c0 + j]) * c2[j]) * scale[j];
  }
}

// channel(c) for every channel, or columns(c0, width) for every block of them where inner = 1.
template <class C, class Cols>
MT_INLINE void over_channels(const BatchNormArgs& a, const C& channel, const Cols& columns) {
  const int64_t elements = a.n * a.inner > 0 ? a.n * a.inner : 1;
  if (a.inner == 1) {
    const int64_t blocks = ceil_div(a.c, kColumns);
    parallel_for(blocks, ceil_div(kGrain / 2, elements * kColumns),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; i++) {
                     const int64_t c0 = i * kColumns;
                     columns(c0, a.c - c0 < kColumns ? a.c - c0 : kColumns);
                   }
                 });
  } else {
    parallel_for(a.c, ceil_div(kGrain / 2, elements), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; c++) channel(c);
    });
  }
}

template <class T>
void eval(const BatchNormArgs& args, const T* m, const T* v, T* out) {
  const T* x = static_cast<const T*>(args.x);
  Scratch<T> factors(2 * args.c);
  T *scale = factors.data, *shift = scale + args.c;
  for (int64_t c = 0; c < args.c; c++) {
    const Channel<T> ch{args, c};
    scale[c] = T(1 / __builtin_sqrt(double(v[c]) + args.eps)) * ch.weight;
    shift[c] = ch.bias;
  }
  if (args.inner > 1) {
    parallel_for(args.n * args.c, ceil_div(kGrain, args.inner), [&](int64_t begin, int64_t end) {
      int64_t c = begin % args.c;
      for (int64_t i = begin; i < end; i++) {
        const Vec<T> mv = set(m[c]), sv = set(scale[c]), bv = set(shift[c]);
        for_vectors<T>(args.inner, [&](int64_t j, auto io) {
          const int64_t at = i * args.inner + j;
          io.put(out + at, (io.get(x + at) - mv) * sv + bv);
        });
        c = c + 1 == args.c ? 0 : c + 1;
      }
    });
    return;
  }
  parallel_for(args.n, ceil_div(kGrain, args.c ? args.c : 1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const T* row = x + i * args.c;
      T* y = out + i * args.c;
#pragma GCC ivdep
      for (int64_t c = 0; c < args.c; c++) y[c] = (row[c] - m[c]) * scale[c] + shift[c];
    }
  });
}

}  // namespace

void batch_norm_train(const BatchNormArgs& args, double momentum, void* y, void* mean, void* rstd,
                      void* running_mean, void* running_var) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    T* out = static_cast<T*>(y);
    const Outputs<T> outputs{momentum, static_cast<T*>(mean), static_cast<T*>(rstd),
                             static_cast<T*>(running_mean), static_cast<T*>(running_var)};
    over_channels(
        args,
        [&](int64_t c) {
          const Channel<T> ch{args, c};
          double m, squares;
          statistics(ch, &m, &squares);
          outputs.put(c, double(ch.count()), args.eps, m, squares);
          apply(ch, outputs.mean[c], outputs.rstd[c], out);
        },
        [&](int64_t c0, int64_t width) { train_columns(args, c0, width, outputs, out); });
  })
}

void batch_norm_eval(const BatchNormArgs& args, const void* mean, const void* var, void* y) {
  MT_SWITCH_FLOAT(args.dtype, eval(args, static_cast<const scalar_t*>(mean),
                                   static_cast<const scalar_t*>(var), static_cast<scalar_t*>(y)))
}

void batch_norm_backward(const BatchNormArgs& args, bool train, const void* dy, const void* mean,
                         const void* rstd, void* dx, void* dw, void* db) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    const T *g = static_cast<const T*>(dy), *m = static_cast<const T*>(mean),
            *r = static_cast<const T*>(rstd);
    T *out = static_cast<T*>(dx), *w = static_cast<T*>(dw), *b = static_cast<T*>(db);
    over_channels(
        args,
        [&](int64_t c) { backward_channel(Channel<T>{args, c}, train, g, m[c], r[c], out, w, b); },
        [&](int64_t c0, int64_t width) {
          backward_columns(args, c0, width, train, g, m, r, out, w, b);
        });
  })
}

void batch_norm_rstd(DType dtype, const void* var, double eps, int64_t c, void* rstd) {
  MT_SWITCH_FLOAT(dtype, {
    for (int64_t i = 0; i < c; i++)
      static_cast<scalar_t*>(rstd)[i] =
          scalar_t(1 / __builtin_sqrt(double(static_cast<const scalar_t*>(var)[i]) + eps));
  })
}

}  // namespace mt::cpu::MT_ISA
