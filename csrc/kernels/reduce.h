// The loops of a reduction, for any operation. Two layouts:
//   rows     the reduced elements are contiguous: one result at a time
//   columns  the kept elements are contiguous: a tile of results at a time, row after row
// Where there are few results the reduced elements are cut into chunks (by size only, so the bits
// do not depend on the threads) whose totals are combined in order.
//
// An operation Op has the types S (stored element), Lane (running value of a column), Total and
// Param, and   Total start()                                    void row(Total&, const S*, int64_t
// n, Param)
//       Lane lane(), map(S, Param), join(Lane, Lane)     Total add(Total, Lane), combine(Total,
//       Total) void store(char* y, Total)                       static constexpr int kFlush
// A column's Lane is added to its Total every kFlush rows.
#pragma once
#include "kernels/elementwise.h"

// One copy of a hot loop per operation keeps the object small.
#define MT_NOINLINE __attribute__((noinline))

namespace mt::cpu::MT_ISA {

constexpr int64_t kTile = 1024;      // columns at a time
constexpr int64_t kSplitTile = 512;  // at most this many columns where rows are cut into chunks
constexpr int64_t kMaxSplits = 32;
constexpr int64_t kSplitChunk = 1 << 16;  // elements per chunk, at least

struct NoParam {};

// f(pointer, stride, n) for the runs of elements [begin, end) of an iterator with one operand.
template <class F>
MT_INLINE void for_runs(const ElementIter& it, const char* base, int64_t begin, int64_t end,
                        const F& f) {
  if (begin >= end) return;
  if (it.ndim == 1) {
    f(base + begin * it.strides[0][0], it.strides[0][0], end - begin);
    return;
  }
  ElementIter moved;
  moved.nargs = 1;
  moved.ndim = it.ndim;
  moved.data[0] = const_cast<char*>(base);
  for (int d = 0; d < it.ndim; d++) {
    moved.shape[d] = it.shape[d];
    moved.strides[d][0] = it.strides[d][0];
  }
  walk(moved, begin, end, [&](char* const* data, const int64_t* strides, int64_t n) {
    f(static_cast<const char*>(data[0]), strides[0], n);
  });
}

template <class Op>
MT_INLINE typename Op::Param param_at(const char* p) {
  if constexpr (__is_same(typename Op::Param, NoParam)) return {};
  else return *reinterpret_cast<const typename Op::Param*>(p);
}

template <class Op>
void reduce_rows(const Op& op, const ElementIter& kept, const ElementIter& reduced) {
  using S = typename Op::S;
  using Total = typename Op::Total;
  const int64_t count = kept.numel, n = reduced.numel;
  auto total_of = [&](const char* x, const char* param, int64_t begin, int64_t end) MT_NOINLINE {
    Total total = op.start();
    const auto c = param_at<Op>(param);
    for_runs(reduced, x, begin, end, [&](const char* p, int64_t, int64_t m) {
      op.row(total, reinterpret_cast<const S*>(p), m, c);
    });
    return total;
  };
  if (reduced.ndim == 1 && n <= 64) {  // short rows: no calls between them
    parallel_for(count, ceil_div(kGrain, n + 16), [&](int64_t begin, int64_t end) {
      walk(kept, begin, end, [&](char* const* data, const int64_t* strides, int64_t m) {
        for (int64_t i = 0; i < m; i++) {
          Total total = op.start();
          op.row(total, reinterpret_cast<const S*>(data[1] + i * strides[1]), n,
                 param_at<Op>(data[2] + i * strides[2]));
          op.store(data[0] + i * strides[0], total);
        }
      });
    });
    return;
  }
  if (count >= 8 || n < 2 * kSplitChunk) {
    parallel_for(count, ceil_div(kGrain, n + 16), [&](int64_t begin, int64_t end) {
      walk(kept, begin, end, [&](char* const* data, const int64_t* strides, int64_t m) {
        for (int64_t i = 0; i < m; i++)
          op.store(data[0] + i * strides[0],
                   total_of(data[1] + i * strides[1], data[2] + i * strides[2], 0, n));
      });
    });
    return;
  }
  int64_t chunk = ceil_div(n, kMaxSplits);
  chunk = chunk < kSplitChunk ? kSplitChunk : ceil_div(chunk, 4096) * 4096;
  const int64_t splits = ceil_div(n, chunk);
  walk(kept, 0, count, [&](char* const* data, const int64_t* strides, int64_t m) {
    for (int64_t i = 0; i < m; i++) {
      Total totals[kMaxSplits] = {};
      parallel_for(splits, 1, [&](int64_t s0, int64_t s1) {
        for (int64_t s = s0; s < s1; s++)
          totals[s] = total_of(data[1] + i * strides[1], data[2] + i * strides[2], s * chunk,
                               s + 1 == splits ? n : (s + 1) * chunk);
      });
      for (int64_t s = 1; s < splits; s++) totals[0] = op.combine(totals[0], totals[s]);
      op.store(data[0] + i * strides[0], totals[0]);
    }
  });
}

// totals[0, w) of the columns at x over the reduced elements [begin, end).
template <class Op>
MT_NOINLINE void reduce_tile(const Op& op, const char* x, const ElementIter& reduced, int64_t begin,
                             int64_t end, int64_t w, const typename Op::Param* c,
                             typename Op::Total* totals) {
  using S = typename Op::S;
  using Lane = typename Op::Lane;
  constexpr bool plain = __is_same(typename Op::Param, NoParam);
  Lane acc[kTile];
  for (int64_t j = 0; j < w; j++) acc[j] = op.lane();
  for (int64_t j = 0; j < w; j++) totals[j] = op.start();
  int64_t rows = 0;
  auto param = [&](int64_t j) -> typename Op::Param {
    if constexpr (plain) return {};
    else return c[j];
  };
  auto flush = [&] {
    for (int64_t j = 0; j < w; j++) totals[j] = op.add(totals[j], acc[j]);
    for (int64_t j = 0; j < w; j++) acc[j] = op.lane();
    rows = 0;
  };
  for_runs(reduced, x, begin, end, [&](const char* p, int64_t stride, int64_t n) {
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
      const S* r0 = reinterpret_cast<const S*>(p + i * stride);
      const S* r1 = reinterpret_cast<const S*>(p + (i + 1) * stride);
      const S* r2 = reinterpret_cast<const S*>(p + (i + 2) * stride);
      const S* r3 = reinterpret_cast<const S*>(p + (i + 3) * stride);
#pragma GCC ivdep
      for (int64_t j = 0; j < w; j++) {
        const auto k = param(j);
        acc[j] = op.join(acc[j], op.join(op.join(op.map(r0[j], k), op.map(r1[j], k)),
                                         op.join(op.map(r2[j], k), op.map(r3[j], k))));
      }
      if ((rows += 4) >= Op::kFlush) flush();
    }
    for (; i < n; i++) {
      const S* r = reinterpret_cast<const S*>(p + i * stride);
#pragma GCC ivdep
      for (int64_t j = 0; j < w; j++) acc[j] = op.join(acc[j], op.map(r[j], param(j)));
      if (++rows >= Op::kFlush) flush();
    }
  });
  if (rows > 0) flush();
}

template <class Op>
void reduce_columns(const Op& op, const ElementIter& kept, const ElementIter& reduced) {
  using Total = typename Op::Total;
  using Param = typename Op::Param;
  constexpr bool plain = __is_same(Param, NoParam);
  constexpr int64_t size = sizeof(typename Op::S);
  const int64_t cols = kept.shape[0], n = reduced.numel, y_size = kept.strides[0][0];
  if (kept.numel == 0) return;
  const int64_t outer = kept.numel / cols;
  // Narrow and dense: k rows are one virtual row, whose k parts are combined at the end.
  const bool dense = reduced.ndim == 1 && reduced.strides[0][0] == cols * size;
  const int64_t k = dense && cols < 64 && n * cols >= 512 ? 256 / cols : 1;
  const int64_t width = cols * k;
  const int64_t tile = width <= kSplitTile ? width : width < 8 * kTile ? 256 : kTile;
  const int64_t tiles = ceil_div(width, tile), tasks = outer * tiles;
  const bool split = width <= kSplitTile && tasks < 8 && n * cols >= 2 * kSplitChunk;
  int64_t chunk = n;
  if (split) {
    chunk = ceil_div(n, kMaxSplits);
    chunk = chunk * cols < kSplitChunk ? ceil_div(kSplitChunk, cols) : chunk;
    chunk = ceil_div(chunk, 4 * k) * 4 * k;
  }
  const int64_t splits = n > 0 ? ceil_div(n, chunk) : 1;

  auto locate = [&](int64_t task, int64_t* column, char** data) {
    *column = task % tiles * tile;
    int64_t rest = task / tiles;
    for (int a = 0; a < 3; a++) data[a] = kept.data[a];
    for (int d = 1; d < kept.ndim; d++) {
      int64_t index = rest % kept.shape[d];
      rest /= kept.shape[d];
      for (int a = 0; a < 3; a++) data[a] += index * kept.strides[d][a];
    }
  };
  auto run = [&](int64_t task, int64_t begin, int64_t end, Total* totals) MT_NOINLINE {
    char* data[3];
    int64_t column;
    locate(task, &column, data);
    const int64_t w = width - column < tile ? width - column : tile;
    Param c[plain ? 1 : kTile];
    if constexpr (!plain)
      for (int64_t j = 0; j < w; j++)
        c[j] = reinterpret_cast<const Param*>(data[2])[(column + j) % cols];
    if (k == 1) {
      reduce_tile(op, data[1] + column * size, reduced, begin, end, w, c, totals);
      return;
    }
    ElementIter wide;
    wide.nargs = wide.ndim = 1;
    wide.numel = wide.shape[0] = (end - begin) / k;
    wide.strides[0][0] = width * size;
    const char* x = data[1] + begin * cols * size;
    reduce_tile(op, x, wide, 0, wide.numel, width, c, totals);
    const int64_t rest = (end - begin) % k * cols;
    if (rest > 0) {
      Total last[kTile];
      reduce_tile(op, x + wide.numel * width * size, wide, 0, 1, rest, c, last);
      for (int64_t j = 0; j < rest; j++) totals[j] = op.combine(totals[j], last[j]);
    }
    for (int64_t part = 1; part < k; part++)
      for (int64_t j = 0; j < cols; j++) totals[j] = op.combine(totals[j], totals[part * cols + j]);
  };
  auto finish = [&](int64_t task, const Total* totals) {
    char* data[3];
    int64_t column;
    locate(task, &column, data);
    const int64_t left = cols - column, w = left < tile ? left : tile;
    for (int64_t j = 0; j < w; j++) op.store(data[0] + (column + j) * y_size, totals[j]);
  };

  if (!split) {
    parallel_for(tasks, ceil_div(kGrain, tile / k * n + 16), [&](int64_t t0, int64_t t1) {
      for (int64_t t = t0; t < t1; t++) {
        Total totals[kTile];
        run(t, 0, n, totals);
        finish(t, totals);
      }
    });
    return;
  }
  for (int64_t t = 0; t < tasks; t++) {
    Total totals[kMaxSplits][kSplitTile];
    parallel_for(splits, 1, [&](int64_t s0, int64_t s1) {
      for (int64_t s = s0; s < s1; s++)
        run(t, s * chunk, s + 1 == splits ? n : (s + 1) * chunk, totals[s]);
    });
    for (int64_t s = 1; s < splits; s++)
      for (int64_t j = 0; j < cols; j++) totals[0][j] = op.combine(totals[0][j], totals[s][j]);
    finish(t, totals[0]);
  }
}

template <class Op>
void reduce(const Op& op, const ElementIter& kept, const ElementIter& reduced) {
  if (kept.numel == 0) return;
  if (kept.strides[0][1] == int64_t(sizeof(typename Op::S))) reduce_columns(op, kept, reduced);
  else reduce_rows(op, kept, reduced);
}

}  // namespace mt::cpu::MT_ISA
