// int8 products of few rows: B, read once in place, is most of the traffic (kn bytes), so nothing
// of it is packed. A is copied, and where the dot product takes its elements 128 larger, a row of
// ones below it gives the sums of B's columns in the same pass.
//   B along k:       vectors along k, one sum over the lanes per element of C (few_dots)
//   B along columns: eight rows of B at a time are interleaved in registers to units of G along k
//                    and added to sums that stay in cache (few_walk)
// Sums are modulo 2^32, so their order is free.
#pragma once
#include "kernels/gemm_dot.h"
#include "kernels/gemm_group.h"
#include "ops/gemm.h"

#if defined(__SSE4_1__)

namespace mt::cpu::MT_ISA {

#if defined(__AVX512BW__)
constexpr int kFewRows = 5;  // of A at a time
#define MT_UNPACK(name, op) \
  MT_INLINE IntVec name(IntVec a, IntVec b) { return (IntVec)_mm512_##op((__m512i)a, (__m512i)b); }
#elif defined(__AVX2__)
constexpr int kFewRows = 2;
#define MT_UNPACK(name, op) \
  MT_INLINE IntVec name(IntVec a, IntVec b) { return (IntVec)_mm256_##op((__m256i)a, (__m256i)b); }
#else
constexpr int kFewRows = 2;
#define MT_UNPACK(name, op) \
  MT_INLINE IntVec name(IntVec a, IntVec b) { return (IntVec)_mm_##op((__m128i)a, (__m128i)b); }
#endif
MT_UNPACK(low_bytes, unpacklo_epi8)
MT_UNPACK(high_bytes, unpackhi_epi8)
MT_UNPACK(low_words, unpacklo_epi16)
MT_UNPACK(high_words, unpackhi_epi16)
#undef MT_UNPACK

// As many int8 as a vector has elements of Dot.
template <class Dot>
MT_INLINE IntVec load_elements(const int8_t* p) {
  if constexpr (Dot::kGroup == 4) {
    return load_unaligned<IntVec>(p);
  } else {
    using Narrow = typename VectorOf<int8_t, kVectorBytes / 2>::type;
    using Wide = typename VectorOf<int16_t, kVectorBytes>::type;
    return (IntVec) __builtin_convertvector(load_unaligned<Narrow>(p), Wide);
  }
}

// sums[i*row + j] = sum over p < k of a[i*a_row + p] * b[j*b_col + p]; a is zero beyond k.
template <class Dot>
using FewDots = void(int64_t k, const typename Dot::Element* a, int64_t a_row, const int8_t* b,
                     int64_t b_col, int32_t* sums, int64_t row);
template <class Dot, int R, int C>
void few_dots(int64_t k, const typename Dot::Element* a, int64_t a_row, const int8_t* b,
              int64_t b_col, int32_t* sums, int64_t row) {
  constexpr int kStep = Tile<int32_t>::VL * Dot::kGroup;
  IntVec acc[R][C] = {};
  const auto step = [&](const int8_t* at, int64_t column, const typename Dot::Element* x) {
    IntVec bv[C];
#pragma GCC unroll 4
    for (int j = 0; j < C; j++) bv[j] = load_elements<Dot>(at + j * column);
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) {
      const IntVec av = load_unaligned<IntVec>(x + i * a_row);
#pragma GCC unroll 4
      for (int j = 0; j < C; j++) acc[i][j] = Dot::step(acc[i][j], av, bv[j]);
    }
  };
  int64_t p = 0;
  for (; p + kStep <= k; p += kStep) step(b + p, b_col, a + p);
  if (p < k) {
    int8_t rest[C][kStep] = {};
    for (int j = 0; j < C; j++) __builtin_memcpy(rest[j], b + j * b_col + p, size_t(k - p));
    step(rest[0], kStep, a + p);
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; i++) {
#pragma GCC unroll 4
    for (int j = 0; j < C; j++) {
      const BlockVec<int32_t> half = fold_vector<int32_t>(acc[i][j]);
      uint32_t sum = 0;
#pragma GCC unroll 8
      for (int q = 0; q < kSide<int32_t>; q++) sum += uint32_t(half[q]);
      sums[i * row + j] = int32_t(sum);
    }
  }
}
template <class Dot, int R, int C>
MT_INLINE FewDots<Dot>* pick_few_dots(int rows, int cols) {
  if constexpr (C > 1) {
    if (cols < C) return pick_few_dots<Dot, R, C - 1>(rows, cols);
  }
  if constexpr (R > 1) {
    if (rows < R) return pick_few_dots<Dot, R - 1, C>(rows, cols);
  }
  return &few_dots<Dot, R, C>;
}

constexpr int kWalk = 8;  // rows of B at a time

// sums[i*row + at(j)] += sum over r < kWalk of a[i*a_row + r] * b[r][j], j < columns, a multiple of
// a block of G vectors. at(j) is j with the columns of a block in the order of the interleaving.
template <class Dot>
using FewWalk = void(int64_t columns, const typename Dot::Element* a, int64_t a_row,
                     const int8_t* const* b, int32_t* sums, int64_t row);
template <class Dot, int R>
void few_walk(int64_t columns, const typename Dot::Element* a, int64_t a_row,
              const int8_t* const* b, int32_t* sums, int64_t row) {
  constexpr int G = Dot::kGroup, VL = Tile<int32_t>::VL;
  for (int64_t j = 0; j < columns; j += G * VL) {
    IntVec acc[R][G];
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 4
      for (int q = 0; q < G; q++) acc[i][q] = load_unaligned<IntVec>(sums + i * row + j + q * VL);
    }
#pragma GCC unroll 4
    for (int g = 0; g < kWalk; g += G) {
      IntVec x[G], u[G];
#pragma GCC unroll 4
      for (int r = 0; r < G; r++) x[r] = load_elements<Dot>(b[g + r] + j);
      if constexpr (G == 4) {
        const IntVec low = low_bytes(x[0], x[1]), high = high_bytes(x[0], x[1]);
        const IntVec low2 = low_bytes(x[2], x[3]), high2 = high_bytes(x[2], x[3]);
        u[0] = low_words(low, low2), u[1] = high_words(low, low2);
        u[2] = low_words(high, high2), u[3] = high_words(high, high2);
      } else {
        u[0] = low_words(x[0], x[1]), u[1] = high_words(x[0], x[1]);
      }
#pragma GCC unroll 8
      for (int i = 0; i < R; i++) {
        int32_t unit;
        __builtin_memcpy(&unit, a + i * a_row + g, sizeof unit);
        const IntVec av = unit - IntVec{};
#pragma GCC unroll 4
        for (int q = 0; q < G; q++) acc[i][q] = Dot::step(acc[i][q], av, u[q]);
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 4
      for (int q = 0; q < G; q++) store_unaligned(sums + i * row + j + q * VL, acc[i][q]);
    }
  }
}
template <class Dot, int R>
MT_INLINE FewWalk<Dot>* pick_few_walk(int rows) {
  if constexpr (R > 1) {
    if (rows < R) return pick_few_walk<Dot, R - 1>(rows);
  }
  return &few_walk<Dot, R>;
}
// Where the sum of a block's column is, and the other way round.
template <class Dot>
MT_INLINE int column_of(int at) {
  constexpr int G = Dot::kGroup, VL = Tile<int32_t>::VL;
  return at % VL / 4 * (4 * G) + at / VL * 4 + at % 4;
}

// kFlip: what the elements of A are xored with (0x80: 128 larger), 0 where they are as they are.
template <class Dot, uint32_t kFlip>
struct FewRows {
  using Element = typename Dot::Element;
  static constexpr int G = Dot::kGroup, kStep = Tile<int32_t>::VL * G;
  const GemmArgs& g;
  const int8_t* b;
  int64_t rows, depth;  // of the copy of A
  Workspace<Element> a;
  bool serial;

  FewRows(const GemmArgs& args, bool serial)
      : g(args),
        b(static_cast<const int8_t*>(args.b)),
        rows(args.m + (kFlip ? 1 : 0)),
        depth(round_up(max64(args.k, 1), kStep)),
        a(rows * depth),
        serial(serial) {
    const int8_t* from = static_cast<const int8_t*>(g.a);
    for (int64_t i = 0; i < rows; i++) {
      Element* to = a.data + i * depth;
      for (int64_t p = 0; p < g.k; p++)
        to[p] = i < g.m ? Element(Element(from[i * g.a_row + p * g.a_col]) ^ kFlip) : Element(1);
      for (int64_t p = g.k; p < depth; p++) to[p] = 0;
    }
  }

  // Rows in nearly equal parts of at most kFewRows: f(first, count).
  template <class F>
  MT_INLINE void for_rows(const F& f) const {
    const int64_t parts = ceil_div(rows, kFewRows);
    for (int64_t t = 0; t < parts; t++) {
      const int64_t i = rows * t / parts;
      f(i, int(rows * (t + 1) / parts - i));
    }
  }
  MT_INLINE void put(int64_t i, int64_t j, uint32_t sum, uint32_t column) const {
    static_cast<int32_t*>(g.c)[i * g.c_row + j] = int32_t(kFlip ? sum - (column << 7) : sum);
  }

  void dots() const {
    constexpr int C = 4;
    for_tasks(serial, ceil_div(g.n, C), max64(1, 65536 / (C * depth)), [&](int64_t t0, int64_t t1) {
      Workspace<int32_t> sums(rows * C);
      for (int64_t j = t0 * C; j < min64(g.n, t1 * C); j += C) {
        const int cols = int(min64(C, g.n - j));
        for_rows([&](int64_t i, int count) {
          pick_few_dots<Dot, kFewRows, C>(count, cols)(
              g.k, a.data + i * depth, depth, b + j * g.b_col, g.b_col, sums.data + i * C, C);
        });
        for (int64_t i = 0; i < g.m; i++)
          for (int q = 0; q < cols; q++)
            put(i, j + q, uint32_t(sums.data[i * C + q]), uint32_t(sums.data[(rows - 1) * C + q]));
      }
    });
  }

  // Rows [p0, p1) of B, columns [j0, j1), added to sums[i*row + j].
  void walk_part(int64_t p0, int64_t p1, int64_t j0, int64_t j1, int32_t* sums, int64_t row) const {
    const int64_t whole = (j1 - j0) / kStep * kStep, rest = j1 - j0 - whole;
    for (int64_t p = p0; p < p1; p += kWalk) {
      // Rows beyond k are multiplied by zeros of A: any row will do.
      const int8_t* row_of[kWalk];
      const int8_t* rest_of[kWalk];
      int8_t copy[kWalk][kStep] = {};
      for (int r = 0; r < kWalk; r++) {
        row_of[r] = b + min64(p + r, g.k - 1) * g.b_row + j0;
        rest_of[r] = copy[r];
        if (rest) __builtin_memcpy(copy[r], row_of[r] + whole, size_t(rest));
      }
      for_rows([&](int64_t i, int count) {
        FewWalk<Dot>* walk = pick_few_walk<Dot, kFewRows>(count);
        walk(whole, a.data + i * depth + p, depth, row_of, sums + i * row + j0, row);
        if (rest)
          walk(kStep, a.data + i * depth + p, depth, rest_of, sums + i * row + j0 + whole, row);
      });
    }
  }

  // Tasks are parts of k by strips of columns whose sums stay in L1.
  void walk() const {
    const int64_t row = round_up(g.n, kStep), wanted = serial ? 1 : 4 * num_threads();
    const int64_t width = even_part(row, max64(4 * kStep, 8192 / rows), kStep);
    const int64_t strips = ceil_div(row, width);
    const int64_t most = max64(1, g.k * width / 65536);
    const int64_t part = round_up(ceil_div(g.k, min64(ceil_div(wanted, strips), most)), kWalk);
    const int64_t parts = ceil_div(g.k, part);
    Workspace<int32_t> sums(parts * rows * row);
    for_tasks(serial, strips * parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; task++) {
        const int64_t q = task / strips, j0 = task % strips * width, j1 = min64(row, j0 + width);
        int32_t* to = sums.data + q * rows * row;
        for (int64_t i = 0; i < rows; i++)
          __builtin_memset(to + i * row + j0, 0, size_t(j1 - j0) * sizeof(int32_t));
        walk_part(q * part, min64(g.k, (q + 1) * part), j0, min64(g.n, j1), to, row);
      }
    });
    const int64_t blocks = row / kStep;
    for_tasks(serial, blocks, max64(1, 16384 / (parts * rows * kStep)),
              [&](int64_t t0, int64_t t1) {
                const auto total = [&](int64_t i, int64_t j, uint32_t* to) {
                  for (int at = 0; at < kStep; at++) to[at] = 0;
                  for (int64_t q = 0; q < parts; q++) {
                    const int32_t* from = sums.data + (q * rows + i) * row + j;
                    for (int at = 0; at < kStep; at++) to[at] += uint32_t(from[at]);
                  }
                };
                for (int64_t j = t0 * kStep; j < t1 * kStep; j += kStep) {
                  uint32_t sum[kStep], column[kStep];
                  total(rows - 1, j, column);
                  for (int64_t i = 0; i < g.m; i++) {
                    total(i, j, sum);
                    for (int at = 0; at < kStep; at++) {
                      const int64_t to = j + column_of<Dot>(at);
                      if (to < g.n) put(i, to, sum[at], column[at]);
                    }
                  }
                }
              });
  }
};

// Whether few rows pay, for the strides that they are made for.
MT_INLINE bool is_few_rows(const GemmArgs& g) {
  return g.k > 0 && ((g.m <= 8 && g.b_row == 1) || (g.m <= 16 && g.b_col == 1));
}
template <class Dot, uint32_t kFlip>
void few_rows(const GemmArgs& args, bool serial) {
  const FewRows<Dot, kFlip> few(args, serial);
  if (args.b_row == 1) {
    few.dots();
  } else {
    few.walk();
  }
}

}  // namespace mt::cpu::MT_ISA

#endif  // __SSE4_1__
