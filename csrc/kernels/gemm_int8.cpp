// int8 by int8 summed in int32, modulo 2^32: C = A @ B.
// vpdpbusd multiplies unsigned by signed bytes, so A is stored 128 larger and every sum is
//   sum of (a + 128) * b  -  128 * (the column's sum of b),
// exact in 32 bits whatever overflows on the way. Machines without it multiply pairs of int16.
// Work: 2mnk operations; the sums of B's columns are one pass over B. Few rows: gemm_few.h.
#include "kernels/gemm_few.h"
#include "ops/gemm.h"

namespace mt::cpu::MT_ISA {
namespace {

// A store functor of gemm_driver.h.
struct StoreSums {
  int32_t* c;
  int64_t c_row;
  const uint32_t* less;  // per column, or null

  MT_INLINE bool direct(int64_t i, int64_t j, int, int, bool first, bool, int32_t** to,
                        int64_t* row, bool* add) const {
    *to = c + i * c_row + j;
    *row = c_row;
    *add = !first;
    return true;
  }
  void merge(int64_t, int64_t, int, int, const int32_t*, bool, bool) const {}
  void finish(int64_t i0, int64_t j0, int rows, int cols) const {
    if (!less) return;
    for (int r = 0; r < rows; r++) {
      int32_t* row = c + (i0 + r) * c_row + j0;
#pragma GCC ivdep
      for (int q = 0; q < cols; q++) row[q] = int32_t(uint32_t(row[q]) - less[j0 + q]);
    }
  }
};

template <class Dot, uint32_t kFlip>
void product(const GemmArgs& g, const uint32_t* less, bool serial) {
  using T = int32_t;
  const PackGroups<Dot, Tile<T>::MR, kFlip> a{static_cast<const int8_t*>(g.a), g.a_row, g.a_col,
                                              g.k};
  const PackGroups<Dot, Tile<T>::NR> b{static_cast<const int8_t*>(g.b), g.b_col, g.b_row, g.k};
  gemm_blocked<T, GroupKernels<Dot>>(g.m, g.n, ceil_div(g.k, int64_t(Dot::kGroup)), a, b,
                                     StoreSums{static_cast<T*>(g.c), g.c_row, less}, serial);
}

// 128 times the sums of B's columns.
[[maybe_unused]] void column_sums(const GemmArgs& g, uint32_t* sums, bool serial) {
  const int8_t* b = static_cast<const int8_t*>(g.b);
  const int64_t strip = max64(256, 262144 / max64(1, g.k));
  for_tasks(serial, g.n, strip, [&](int64_t begin, int64_t end) {
    if (g.b_row == 1) {
      for (int64_t j = begin; j < end; j++) {
        int32_t sum = 0;
        for (int64_t p = 0; p < g.k; p++) sum += b[j * g.b_col + p];
        sums[j] = uint32_t(sum) << 7;
      }
      return;
    }
    // Rows are added up in int16 as long as they fit.
    constexpr int64_t kColumns = 256, kRows = 255;
    for (int64_t j0 = begin; j0 < end; j0 += kColumns) {
      const int64_t cols = min64(kColumns, end - j0);
      for (int64_t j = 0; j < cols; j++) sums[j0 + j] = 0;
      for (int64_t p0 = 0; p0 < g.k; p0 += kRows) {
        int16_t part[kColumns] = {};
        for (int64_t p = p0; p < min64(g.k, p0 + kRows); p++) {
          const int8_t* row = b + p * g.b_row + j0 * g.b_col;
          if (g.b_col == 1) {
            for (int64_t j = 0; j < cols; j++) part[j] = int16_t(part[j] + row[j]);
          } else {
            for (int64_t j = 0; j < cols; j++) part[j] = int16_t(part[j] + row[j * g.b_col]);
          }
        }
        for (int64_t j = 0; j < cols; j++) sums[j0 + j] += uint32_t(int32_t(part[j])) << 7;
      }
    }
  });
}

}  // namespace

void gemm_int8(const GemmArgs& args) {
  const bool serial = double(args.m) * double(args.n) * double(max64(args.k, 1)) < 2e6;
#if defined(__AVX512F__)
  const bool dots = dot_instructions().avx512_vnni;
#else
  const bool dots = dot_instructions().avx_vnni;
#endif
  Workspace<uint32_t> less(dots ? args.n : 0);
  for (int64_t i = 0; i < args.batch; i++) {
    GemmArgs one = args;
    one.a = static_cast<const int8_t*>(args.a) + i * args.a_batch;
    one.b = static_cast<const int8_t*>(args.b) + i * args.b_batch;
    one.c = static_cast<int32_t*>(args.c) + i * args.c_batch;
#if defined(__SSE4_1__)
    const bool few = is_few_rows(one);
#endif
#if defined(__AVX2__)
    if (dots && few) {
      few_rows<Int8Quads, 0x80>(one, serial);
      continue;
    }
    if (dots) {
      if (i == 0 || args.b_batch != 0) column_sums(one, less.data, serial);
      product<Int8Quads, 0x80808080u>(one, less.data, serial);
      continue;
    }
#endif
#if defined(__SSE4_1__)
    if (few) {
      few_rows<Int16Pairs, 0>(one, serial);
      continue;
    }
#endif
    product<Int16Pairs, 0>(one, nullptr, serial);
  }
}

}  // namespace mt::cpu::MT_ISA
