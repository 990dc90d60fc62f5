// out = softmax(scale * q k^T + mask) v without the [queries, keys] matrix (Dao et al.,
// "FlashAttention", 2022): blocks of 64 queries walk over blocks of 64 keys with a running maximum
// and sum. Scores are kept transposed, one query per vector lane, so that maxima, sums and
// rescalings are vertical, and q is the only operand that is rearranged.
// Backward recomputes p = exp(s - lse): dv += p^T do, ds = p (do v^T - sum(do out)), dq = ds k,
// dk += ds^T q, per head of keys on one thread, in order.
// 4 queries*keys*width flops forward, 10 backward, half of it where causal.
#include "ops/attention.h"

#include "core/parallel.h"
#include "kernels/block_gemm.h"
#include "kernels/scratch.h"
#include "kernels/transpose_tile.h"

namespace mt::cpu::MT_ISA {
namespace {

using namespace simd;

constexpr int64_t kQueries = 64, kKeys = 64, kFew = 4;

MT_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// to[c][i] = from[i][c] * scale for `rows` rows i; further lanes are zero.
template <class T>
void transpose_in(const T* from, int64_t row, int64_t rows, int64_t lanes, int64_t columns, T scale,
                  T* to) {
  for (int64_t c = 0; c < columns; c++) {
    T* out = to + c * kQueries;
    for (int64_t i = 0; i < rows; i++) out[i] = from[i * row + c] * scale;
    for (int64_t i = rows; i < lanes; i++) out[i] = 0;
  }
}

// to[i][c] = from[c][i] * scale[i].
template <class T>
void transpose_out(const T* from, int64_t rows, int64_t columns, const T* scale, T* to,
                   int64_t row) {
  for (int64_t i = 0; i < rows; i++) {
    const T s = scale ? scale[i] : T(1);
    for (int64_t c = 0; c < columns; c++) to[i * row + c] = from[c * kQueries + i] * s;
  }
}

// One block of queries of one head.
template <class T>
struct Block {
  const AttentionArgs& a;
  int64_t b, h, i0;
  int64_t rows = least(kQueries, a.queries - i0);
  int64_t lanes = ceil_div(rows, kLanes<T>) * kLanes<T>;  // computed, of kQueries
  int64_t keys_end = a.causal ? least(a.keys, i0 + rows) : a.keys;

  int64_t kv_head() const { return h / (a.heads / a.kv_heads); }
  static const T* at(const void* p, const HeadStrides& s, int64_t b, int64_t h, int64_t row) {
    return static_cast<const T*>(p) + b * s.batch + h * s.head + row * s.row;
  }
  const T* q() const { return at(a.q, a.q_at, b, h, i0); }
  const T* k(int64_t j0) const { return at(a.k, a.k_at, b, kv_head(), j0); }
  const T* v(int64_t j0) const { return at(a.v, a.v_at, b, kv_head(), j0); }

  // Scores [keys j0 ... j0 + nk, lanes], rows kQueries apart, masked.
  void scores(int64_t j0, int64_t nk, const T* qt, T* s) const {
    block_gemm<T>(nk, lanes, a.width, k(j0), a.k_at.row, 1, qt, kQueries, s, kQueries, false);
    if (a.mask) apply_mask(j0, nk, s);
    if (a.causal && j0 + nk > i0 + 1) {
      for (int64_t j = 0; j < nk; j++) {
        // Keys beyond a query's own place.
        const int64_t hidden = least(j0 + j - i0, lanes);
        for (int64_t i = 0; i < hidden; i++) s[j * kQueries + i] = T(-__builtin_inf());
      }
    }
  }

  // The score of one query of the block and one key, masked.
  T masked(T score, int64_t i, int64_t j) const {
    if (a.causal && j > i0 + i) return T(-__builtin_inf());
    if (!a.mask) return score;
    const HeadStrides& m = a.mask_at;
    const int64_t at = b * m.batch + h * m.head + (i0 + i) * m.row + j * a.mask_column;
    if (!a.mask_is_bool) return score + static_cast<const T*>(a.mask)[at];
    return static_cast<const bool*>(a.mask)[at] ? score : T(-__builtin_inf());
  }

  void apply_mask(int64_t j0, int64_t nk, T* s) const {
    const HeadStrides& m = a.mask_at;
    const int64_t start = b * m.batch + h * m.head + i0 * m.row + j0 * a.mask_column;
    if (a.mask_is_bool) add_mask(static_cast<const uint8_t*>(a.mask) + start, nk, s);
    else add_mask(static_cast<const T*>(a.mask) + start, nk, s);
  }

  static T bias(T v) { return v; }
  static T bias(uint8_t seen) { return seen ? T(0) : T(-__builtin_inf()); }

  // s[j][i] += mask[i][j]: tiles through registers where rows of the mask lie in memory as rows.
  template <class M>
  void add_mask(const M* mask, int64_t nk, T* s) const {
    constexpr int64_t N = kTransposeTile<T>;
    const int64_t row = a.mask_at.row, column = a.mask_column;
    for (int64_t i = 0; i < rows; i += N)
      for (int64_t j = 0; j < nk; j += N) {
        if (column != 1 || i + N > rows || j + N > nk) {
          for (int64_t x = i; x < least(i + N, rows); x++)
            for (int64_t y = j; y < least(j + N, nk); y++)
              s[y * kQueries + x] += bias(mask[x * row + y * column]);
          continue;
        }
        alignas(64) T from[N][N], to[N][N];
        for (int64_t x = 0; x < N; x++)
          for (int64_t y = 0; y < N; y++) from[x][y] = bias(mask[(i + x) * row + j + y]);
        transpose_tile<T, int(N)>(&to[0][0], sizeof to[0], &from[0][0], sizeof from[0]);
        for (int64_t y = 0; y < N; y++)
          for (int64_t x = 0; x < N; x++) s[(j + y) * kQueries + i + x] += to[y][x];
      }
  }
};

// One step of the running softmax of V vectors of lanes: s becomes exp(s - maximum), and
// `correction` is what sums and outputs so far have to be multiplied with.
template <class T, int V>
MT_INLINE void softmax_lanes(int64_t nk, T* s, T* maximum, T* sums, T* correction) {
  constexpr int L = kLanes<T>;
  const Vec<T> lowest = set(T(-__builtin_inf()));
  Vec<T> m[V], before[V], origin[V], sum[V] = {};
  for (int v = 0; v < V; v++) m[v] = before[v] = load(maximum + v * L);
  for (int64_t j = 0; j < nk; j++)
    for (int v = 0; v < V; v++) m[v] = max<T>(m[v], load(s + j * kQueries + v * L));
  // Where everything is hidden so far, differences are taken from 0.
  for (int v = 0; v < V; v++) origin[v] = m[v] == lowest ? Vec<T>{} : m[v];
  for (int64_t j = 0; j < nk; j++)
    for (int v = 0; v < V; v++) {
      T* p = s + j * kQueries + v * L;
      const Vec<T> e = exp_nonpositive(load(p) - origin[v]);
      store(p, e);
      sum[v] += e;
    }
  for (int v = 0; v < V; v++) {
    const Vec<T> f = exp_nonpositive(before[v] - origin[v]);
    store(correction + v * L, f);
    store(sums + v * L, load(sums + v * L) * f + sum[v]);
    store(maximum + v * L, m[v]);
  }
}
template <class T>
void softmax_step(int64_t nk, int64_t lanes, T* s, T* maximum, T* sums, T* correction) {
  constexpr int L = kLanes<T>;
  int64_t c = 0;
  for (; c + 2 * L <= lanes; c += 2 * L)
    softmax_lanes<T, 2>(nk, s + c, maximum + c, sums + c, correction + c);
  if (c < lanes) softmax_lanes<T, 1>(nk, s + c, maximum + c, sums + c, correction + c);
}

template <class T>
void forward_block(const Block<T>& block, T* qt, T* ot, T* s, T* out, int64_t out_row, T* lse) {
  const AttentionArgs& a = block.a;
  alignas(64) T maximum[kQueries], sums[kQueries], correction[kQueries];
  for (int64_t i = 0; i < kQueries; i++) {
    maximum[i] = T(-__builtin_inf());
    sums[i] = 0;
  }
  transpose_in(block.q(), a.q_at.row, block.rows, block.lanes, a.width, T(a.scale), qt);
  if (block.keys_end == 0)
    for (int64_t i = 0; i < a.value_width * kQueries; i++) ot[i] = 0;
  for (int64_t j0 = 0; j0 < block.keys_end; j0 += kKeys) {
    const int64_t nk = least(kKeys, block.keys_end - j0);
    block.scores(j0, nk, qt, s);
    softmax_step(nk, block.lanes, s, maximum, sums, correction);
    block_gemm<T>(a.value_width, block.lanes, nk, block.v(j0), 1, a.v_at.row, s, kQueries, ot,
                  kQueries, j0 > 0, correction);
  }
  for (int64_t i = 0; i < kQueries; i++) {
    const bool seen = !(sums[i] == T(0));
    correction[i] = seen ? T(1) / sums[i] : T(0);
    if (i < block.rows) lse[i] = seen ? maximum[i] + fn::log(sums[i]) : T(__builtin_inf());
  }
  transpose_out(ot, block.rows, a.value_width, correction, out, out_row);
}

// The sums over k of x[k] * rows[r][k] for four rows.
template <class T>
MT_INLINE void four_dots(const T* x, const T* rows, int64_t row, int64_t n, T* y) {
  Vec<T> total[4] = {};
  for_vectors<T>(n, [&](int64_t i, auto io) {
    const Vec<T> v = io.get(x + i);
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) total[r] += v * io.get(rows + r * row + i);
  });
#pragma GCC unroll 4
  for (int r = 0; r < 4; r++) y[r] = sum_lanes<T>(total[r]);
}

// Few queries (a step of generation): lanes of queries would be empty, so vectors run along the
// width instead. s: [kFew, kKeys].
template <class T>
void forward_few(const Block<T>& block, T* s, T* out, int64_t out_row, T* lse) {
  const AttentionArgs& a = block.a;
  T maximum[kFew], sums[kFew] = {};
  for (int64_t i = 0; i < block.rows; i++) {
    maximum[i] = T(-__builtin_inf());
    for (int64_t c = 0; c < a.value_width; c++) out[i * out_row + c] = 0;
  }
  for (int64_t j0 = 0; j0 < block.keys_end; j0 += kKeys) {
    const int64_t nk = least(kKeys, block.keys_end - j0), row = a.k_at.row;
    for (int64_t i = 0; i < block.rows; i++) {
      T *p = s + i * kKeys, *o = out + i * out_row;
      const T *q = block.q() + i * a.q_at.row, *k = block.k(j0);
      for (int64_t j = 0; j < nk; j += 4) {
        if (j + 4 <= nk) {
          four_dots(q, k + j * row, row, a.width, p + j);
        } else {
          for (int64_t r = j; r < nk; r++)
            p[r] = T(sum_vectors<T>(a.width, [&](int64_t c, auto io) {
              return io.get(q + c) * io.get(k + r * row + c);
            }));
        }
      }
      for (int64_t j = 0; j < nk; j++) p[j] = block.masked(p[j] * T(a.scale), i, j0 + j);
      T m = maximum[i];
      for (int64_t j = 0; j < nk; j++) m = m > p[j] ? m : p[j];
      const T origin = m == T(-__builtin_inf()) ? T(0) : m;
      const T correction = fn::exp(maximum[i] - origin);
      for (int64_t j = 0; j < nk; j++) p[j] = fn::exp(p[j] - origin);
      sums[i] *= correction;
      for (int64_t j = 0; j < nk; j++) sums[i] += p[j];
      for (int64_t c = 0; c < a.value_width; c++) o[c] *= correction;
      maximum[i] = m;
    }
    block_gemm<T>(block.rows, a.value_width, nk, s, kKeys, 1, block.v(j0), a.v_at.row, out, out_row,
                  true);
  }
  for (int64_t i = 0; i < block.rows; i++) {
    const bool seen = !(sums[i] == T(0));
    const T inverse = seen ? T(1) / sums[i] : T(0);
    lse[i] = seen ? maximum[i] + fn::log(sums[i]) : T(__builtin_inf());
    for (int64_t c = 0; c < a.value_width; c++) out[i * out_row + c] *= inverse;
  }
}

// p = exp(s - lse) in s, ds = p (dp - delta) scale in dp.
template <class T>
void gradient_step(int64_t nk, int64_t lanes, T* s, T* dp, const T* lse, const T* delta, T scale) {
  constexpr int L = kLanes<T>;
  for (int64_t c = 0; c < lanes; c += L) {
    const Vec<T> l = load(lse + c), d = load(delta + c);
    for (int64_t j = 0; j < nk; j++) {
      const int64_t at = j * kQueries + c;
      const Vec<T> p = exp_nonpositive(load(s + at) - l);
      store(s + at, p);
      store(dp + at, p * (load(dp + at) - d) * scale);
    }
  }
}

template <class T>
struct Gradients {
  const T *out, *dout, *lse;
  T *dq, *dk, *dv;
  HeadStrides out_at, dout_at, dq_at, dk_at, dv_at;
};

template <class T>
void backward_block(const Block<T>& block, const Gradients<T>& g, T* qt, T* dot, T* dqt, T* s,
                    T* dp) {
  const AttentionArgs& a = block.a;
  const int64_t rows = block.rows, lanes = block.lanes, i0 = block.i0, b = block.b, h = block.h;
  auto row_of = [&](const T* p, const HeadStrides& at, int64_t head, int64_t row) {
    return const_cast<T*>(p) + b * at.batch + head * at.head + row * at.row;
  };
  const T* out = row_of(g.out, g.out_at, h, i0);
  const T* dout = row_of(g.dout, g.dout_at, h, i0);
  alignas(64) T lse[kQueries], delta[kQueries];
  for (int64_t i = 0; i < kQueries; i++) {
    lse[i] = i < rows ? g.lse[(b * a.heads + h) * a.queries + i0 + i] : T(__builtin_inf());
    delta[i] = 0;
    if (i < rows)
      delta[i] = T(sum_vectors<T>(a.value_width, [&](int64_t c, auto io) {
        return io.get(out + i * g.out_at.row + c) * io.get(dout + i * g.dout_at.row + c);
      }));
  }
  transpose_in(block.q(), a.q_at.row, rows, lanes, a.width, T(a.scale), qt);
  transpose_in(dout, g.dout_at.row, rows, lanes, a.value_width, T(1), dot);
  for (int64_t i = 0; i < a.width * kQueries; i++) dqt[i] = 0;
  for (int64_t j0 = 0; j0 < block.keys_end; j0 += kKeys) {
    const int64_t nk = least(kKeys, block.keys_end - j0);
    const T *k = block.k(j0), *v = block.v(j0);
    block.scores(j0, nk, qt, s);
    block_gemm<T>(nk, lanes, a.value_width, v, a.v_at.row, 1, dot, kQueries, dp, kQueries, false);
    gradient_step(nk, lanes, s, dp, lse, delta, T(a.scale));
    block_gemm<T>(a.width, lanes, nk, k, 1, a.k_at.row, dp, kQueries, dqt, kQueries, true);
    block_gemm<T>(nk, a.value_width, rows, s, kQueries, 1, dout, g.dout_at.row,
                  row_of(g.dv, g.dv_at, block.kv_head(), j0), g.dv_at.row, true);
    block_gemm<T>(nk, a.width, rows, dp, kQueries, 1, block.q(), a.q_at.row,
                  row_of(g.dk, g.dk_at, block.kv_head(), j0), g.dk_at.row, true);
  }
  transpose_out(dqt, rows, a.width, static_cast<const T*>(nullptr), row_of(g.dq, g.dq_at, h, i0),
                g.dq_at.row);
}

template <class T>
void forward(const AttentionArgs& a, T* out, const HeadStrides& out_at, T* lse) {
  const int64_t blocks = ceil_div(a.queries, kQueries);
  parallel_for(a.batch * a.heads * blocks, 1, [&](int64_t begin, int64_t end) {
    Scratch<T> space((a.width + a.value_width + kKeys) * kQueries);
    T *qt = space.data, *ot = qt + a.width * kQueries, *s = ot + a.value_width * kQueries;
    for (int64_t task = begin; task < end; task++) {
      const int64_t bh = task / blocks, b = bh / a.heads, h = bh % a.heads;
      // The longest blocks first.
      const int64_t i0 = (blocks - 1 - task % blocks) * kQueries;
      const Block<T> block{a, b, h, i0};
      T* o = out + b * out_at.batch + h * out_at.head + i0 * out_at.row;
      if (a.queries <= kFew) {
        forward_few(block, s, o, out_at.row, lse + bh * a.queries);
      } else {
        forward_block(block, qt, ot, s, o, out_at.row, lse + bh * a.queries + i0);
      }
    }
  });
}

template <class T>
void clear_rows(T* p, int64_t row, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; i++) __builtin_memset(p + i * row, 0, size_t(columns) * sizeof(T));
}

template <class T>
void backward(const AttentionArgs& a, const Gradients<T>& g) {
  parallel_for(a.batch * a.kv_heads, 1, [&](int64_t begin, int64_t end) {
    Scratch<T> space((2 * a.width + a.value_width + 2 * kKeys) * kQueries);
    T *qt = space.data, *dqt = qt + a.width * kQueries, *dot = dqt + a.width * kQueries;
    T *s = dot + a.value_width * kQueries, *dp = s + kKeys * kQueries;
    for (int64_t task = begin; task < end; task++) {
      const int64_t b = task / a.kv_heads, kv = task % a.kv_heads, group = a.heads / a.kv_heads;
      clear_rows(g.dk + b * g.dk_at.batch + kv * g.dk_at.head, g.dk_at.row, a.keys, a.width);
      clear_rows(g.dv + b * g.dv_at.batch + kv * g.dv_at.head, g.dv_at.row, a.keys, a.value_width);
      for (int64_t h = kv * group; h < (kv + 1) * group; h++)
        for (int64_t i0 = 0; i0 < a.queries; i0 += kQueries)
          backward_block(Block<T>{a, b, h, i0}, g, qt, dot, dqt, s, dp);
    }
  });
}

}  // namespace

void attention_forward(const AttentionArgs& args, void* out, const HeadStrides& out_at, void* lse) {
  MT_SWITCH_FLOAT(args.dtype,
                  forward(args, static_cast<scalar_t*>(out), out_at, static_cast<scalar_t*>(lse)))
}

void attention_backward(const AttentionArgs& args, const void* out, const HeadStrides& out_at,
                        const void* lse, const void* dout, const HeadStrides& dout_at, void* dq,
                        const HeadStrides& dq_at, void* dk, const HeadStrides& dk_at, void* dv,
                        const HeadStrides& dv_at) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    backward(args,
             Gradients<T>{static_cast<const T*>(out), static_cast<const T*>(dout),
                          static_cast<const T*>(lse), static_cast<T*>(dq), static_cast<T*>(dk),
                          static_cast<T*>(dv), out_at, dout_at, dq_at, dk_at, dv_at});
  })
}

}  // namespace mt::cpu::MT_ISA
