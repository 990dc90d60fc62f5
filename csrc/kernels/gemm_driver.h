// The blocked loops of a matrix product C[m, n] = A[m, k] @ B[k, n], free of where A and B come
// from and where C goes: a convolution packs image patches, a matrix packs strided memory.
//
//   gemm_blocked<T>(m, n, k, pack_a, pack_b, store, serial)
//   gemm_blocked<T, Kernels>(...)     Kernels::get(rows, vectors) gives the register tile's kernel
//
// T (float or double) is the type of the panels and of the accumulation; with Kernels of its own
// (gemm_group.h), a T of the panels is a group of narrow elements. The functors:
//   pack_a(k0, kc, i0, rows, dst)   dst[p*MR + r] = A(i0 + r, k0 + p)   r < rows <= MR, p < kc
//   pack_b(k0, kc, j0, cols, dst)   dst[p*NR + c] = B(k0 + p, j0 + c)   c < cols <= NR, p < kc
//     with MR = Tile<T>::MR, NR = Tile<T>::NR. Lanes beyond rows or cols may hold anything;
//     nothing may be written beyond dst[kc*MR) or dst[kc*NR). j0 is a multiple of the vector
//     length; the columns of B are cut by ColumnPanels.
//   store.direct(i0, j0, rows, cols, first, last, &c, &c_row, &add): where the tile of C may be
//     written straight from registers: true with its address, row stride and whether to add to
//     what is there. false sends the tile (row stride NR) to store.merge below. first / last tell
//     which of the KC-blocks of k this is; add must be true in all but the first.
//   store.merge(i0, j0, rows, cols, tile, first, last)
//   store.finish(i0, j0, rows, cols) after a direct write of the last block: bias, activation.
// All functors are called from several threads at once, for disjoint panels and tiles.
//
// Order of work: the operand of the shorter side is packed whole (or by K-slices of a part of L3),
// all threads together; then each task packs its part of the other operand, in L2, and multiplies
// panel of B by panel of A. Every element of C sums k in the same order for every number of
// threads: in blocks of at most KC, sequentially.
#pragma once
#include "core/allocator.h"
#include "core/cpu_info.h"
#include "core/parallel.h"
#include "kernels/gemm_micro.h"

namespace mt::cpu::MT_ISA {

// Scratch memory for the time of a call.
template <class T>
struct Workspace {
  explicit Workspace(int64_t count)
      : bytes(size_t(count) * sizeof(T)), data(static_cast<T*>(cpu_allocate(bytes))) {}
  ~Workspace() { cpu_free(data, bytes); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  size_t bytes;
  T* data;
};

MT_INLINE int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
MT_INLINE int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
MT_INLINE int64_t round_up(int64_t a, int64_t to) { return ceil_div(a, to) * to; }
// The size of one of ceil(total / most) nearly equal parts, a multiple of `unit`.
MT_INLINE int64_t even_part(int64_t total, int64_t most, int64_t unit) {
  return total <= 0 ? unit : round_up(ceil_div(total, ceil_div(total, most)), unit);
}

// How the columns [0, n) are cut into panels: NR wide, except that a single vector left over
// shares the last full panel's work (one vector per row cannot keep the FMA units busy).
template <class T>
struct ColumnPanels {
  static constexpr int64_t NR = Tile<T>::NR, VL = Tile<T>::VL;
  explicit ColumnPanels(int64_t n) : n(n), count(ceil_div(n, NR)) {
    int64_t vectors = ceil_div(n, VL);
    balanced = Tile<T>::NV >= 3 && count >= 2 && vectors % Tile<T>::NV == 1;
  }
  int64_t begin(int64_t panel) const {
    return balanced && panel == count - 1 ? (count - 2) * NR + 2 * VL : panel * NR;
  }
  int64_t end(int64_t panel) const { return panel + 1 >= count ? n : begin(panel + 1); }
  int64_t n, count;
  bool balanced;
};

template <class T>
struct PackedKernels {
  static MicroKernel<T>* get(int rows, int vectors) {
    return micro_kernel_for<T, true>(rows, vectors);
  }
};

template <class F>
MT_INLINE void for_tasks(bool serial, int64_t n, int64_t grain, F&& f) {
  if (serial) {
    f(int64_t(0), n);
  } else {
    parallel_for(n, grain, f);
  }
}

// The tiles of rows [i0, i1) (packed at `a`, panels of kc*MR) by the panels [p0, p1) of B (packed
// at `b`, panels of kc*NR). Column 0 of the panels is column j_base of C.
template <class T, class Kernels, class Store>
void gemm_block(const ColumnPanels<T>& panels, int64_t i0, int64_t i1, int64_t p0, int64_t p1,
                int64_t j_base, int64_t kc, const T* a, const T* b, const Store& store, bool first,
                bool last) {
  constexpr int MR = Tile<T>::MR, NR = Tile<T>::NR, VL = Tile<T>::VL;
  for (int64_t p = p0; p < p1; p++) {
    int64_t j = panels.begin(p);
    int cols = int(panels.end(p) - j);
    int vectors = (cols + VL - 1) / VL, lanes = cols - (vectors - 1) * VL;
    auto* full = Kernels::get(MR, vectors);
    const T* panel = b + (p - p0) * kc * NR;
    for (int64_t i = i0; i < i1; i += MR) {
      int rows = int(min64(MR, i1 - i));
      auto* kernel = rows == MR ? full : Kernels::get(rows, vectors);
      T* c;
      int64_t c_row;
      bool add;
      if (store.direct(i, j_base + j, rows, cols, first, last, &c, &c_row, &add)) {
        kernel(kc, a + (i - i0) * kc, 0, 0, panel, 0, c, c_row, add, lanes);
        if (last) store.finish(i, j_base + j, rows, cols);
      } else {
        alignas(64) T tile[MR * NR];
        kernel(kc, a + (i - i0) * kc, 0, 0, panel, 0, tile, NR, false, VL);
        store.merge(i, j_base + j, rows, cols, tile, first, last);
      }
    }
  }
}

// Packs rows [i0, i1) into panels of kc*MR.
template <class T, class PackA>
MT_INLINE void pack_rows(const PackA& pack_a, int64_t k0, int64_t kc, int64_t i0, int64_t i1,
                         T* dst) {
  constexpr int MR = Tile<T>::MR;
  for (int64_t i = i0; i < i1; i += MR)
    pack_a(k0, kc, i, int(min64(MR, i1 - i)), dst + (i - i0) * kc);
}

// Packs all panels of columns (column 0 of them is column j_base of B) by the steps [s0, s1) of k
// at `dst`: block after block of at most kc steps, in each of them panel after panel.
template <class T, class PackB>
void pack_columns(const ColumnPanels<T>& panels, int64_t j_base, int64_t s0, int64_t s1,
                  int64_t kc_most, const PackB& pack_b, T* dst, bool serial) {
  constexpr int64_t NR = Tile<T>::NR;
  const int64_t blocks = kc_most ? ceil_div(s1 - s0, kc_most) : 0, width = panels.count * NR;
  const int64_t grain = max64(1, 16384 / max64(1, kc_most * NR));
  for_tasks(serial, blocks * panels.count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; item++) {
      const int64_t k0 = s0 + item / panels.count * kc_most, p = item % panels.count;
      const int64_t kc = min64(kc_most, s1 - k0), j = panels.begin(p);
      pack_b(k0, kc, j_base + j, int(panels.end(p) - j), dst + (k0 - s0) * width + p * kc * NR);
    }
  });
}

// How k is cut, and what a slice of the operand that is packed whole may take.
template <class T>
struct DepthPlan {
  DepthPlan(int64_t k, int64_t side, int64_t unit) {
    kc = k > 0 ? even_part(k, Tile<T>::KC, 8) : 0;
    const int64_t room = max64(1, int64_t(l3_bytes() / 4 / sizeof(T)));
    const bool whole = k * side <= room;
    slice = whole ? max64(k, 1) : kc;
    part = whole ? side : even_part(side, max64(unit, room / kc / unit * unit), unit);
  }
  int64_t kc;     // depth of a block
  int64_t slice;  // depth packed at a time: kc or all of k
  int64_t part;   // rows or columns packed at a time
};

// How C is cut into tasks of at most `most` rows by whole panels: several for each thread, and as
// many for each.
struct TaskGrid {
  TaskGrid(int64_t m, int64_t panels, int64_t most, int64_t unit, int threads) {
    const int64_t wanted = threads == 1 ? 1 : 4 * threads;
    const int64_t least = min64(most, max64(8 * unit, ceil_div(m, wanted)));
    row_blocks = ceil_div(m, even_part(m, least, unit));
    if (row_blocks > threads) row_blocks = round_up(row_blocks, threads);
    rows = round_up(ceil_div(m, row_blocks), unit);
    row_blocks = ceil_div(m, rows);
    width = ceil_div(panels, min64(panels, ceil_div(wanted, row_blocks)));
    col_blocks = ceil_div(panels, width);
  }
  int64_t rows, row_blocks;   // of a task, and how many
  int64_t width, col_blocks;  // in panels
};

// Many rows: B is packed whole, A by the task.
template <class T, class Kernels, class PackA, class PackB, class Store>
void gemm_by_rows(int64_t m, int64_t n, int64_t k, const PackA& pack_a, const PackB& pack_b,
                  const Store& store, int threads) {
  constexpr int64_t MR = Tile<T>::MR, NR = Tile<T>::NR;
  const DepthPlan<T> depth(k, n, NR);
  const bool serial = threads == 1;
  // MC x KC of A fills half of L2.
  const int64_t half_l2 = int64_t(l2_bytes() / 2 / sizeof(T));
  const int64_t mc_most = max64(MR, min64(1024, half_l2 / max64(depth.kc, 64)) / MR * MR);
  Workspace<T> space(min64(k, depth.slice) * round_up(depth.part, NR));

  for (int64_t jc = 0; jc < n; jc += depth.part) {
    const ColumnPanels<T> panels(min64(depth.part, n - jc));
    const TaskGrid grid(m, panels.count, mc_most, MR, threads);
    const int64_t width = panels.count * NR;  // of a packed step of k
    for (int64_t s0 = 0; s0 == 0 || s0 < k; s0 += depth.slice) {
      const int64_t s1 = min64(k, s0 + depth.slice);
      pack_columns<T>(panels, jc, s0, s1, depth.kc, pack_b, space.data, serial);
      for_tasks(serial, grid.row_blocks * grid.col_blocks, 1, [&](int64_t begin, int64_t end) {
        Workspace<T> own(depth.kc * grid.rows);
        for (int64_t task = begin; task < end; task++) {
          int64_t i0 = task / grid.col_blocks * grid.rows, i1 = min64(m, i0 + grid.rows);
          int64_t p0 = task % grid.col_blocks * grid.width;
          int64_t p1 = min64(panels.count, p0 + grid.width);
          for (int64_t k0 = s0; k0 == s0 || k0 < s1; k0 += depth.kc) {
            int64_t kc = min64(depth.kc, s1 - k0);
            pack_rows<T>(pack_a, k0, kc, i0, i1, own.data);
            gemm_block<T, Kernels>(panels, i0, i1, p0, p1, jc, kc, own.data,
                                   space.data + (k0 - s0) * width + p0 * kc * NR, store, k0 == 0,
                                   k0 + kc >= k);
            if (kc == 0) break;
          }
        }
      });
    }
  }
}

// Many columns: A is packed whole, B by the task, a panel at a time.
template <class T, class Kernels, class PackA, class PackB, class Store>
void gemm_by_columns(int64_t m, int64_t n, int64_t k, const PackA& pack_a, const PackB& pack_b,
                     const Store& store, int threads) {
  constexpr int64_t MR = Tile<T>::MR, NR = Tile<T>::NR;
  const DepthPlan<T> depth(k, m, MR);
  const bool serial = threads == 1;
  const int64_t wanted = serial ? 1 : 8 * threads;
  const ColumnPanels<T> panels(n);
  const int64_t group = ceil_div(panels.count, wanted);
  const int64_t col_blocks = ceil_div(panels.count, group);
  Workspace<T> space(min64(k, depth.slice) * round_up(depth.part, MR));

  for (int64_t ic = 0; ic < m; ic += depth.part) {
    const int64_t rows = min64(depth.part, m - ic), height = round_up(rows, MR);
    const int64_t mc = even_part(rows, max64(8 * MR, ceil_div(rows * col_blocks, wanted)), MR);
    const int64_t row_blocks = ceil_div(rows, mc);
    for (int64_t s0 = 0; s0 == 0 || s0 < k; s0 += depth.slice) {
      const int64_t s1 = min64(k, s0 + depth.slice);
      const int64_t blocks = depth.kc ? ceil_div(s1 - s0, depth.kc) : 0;
      const int64_t a_panels = height / MR;
      const int64_t grain = max64(1, 16384 / max64(1, depth.kc * MR));
      for_tasks(serial, blocks * a_panels, grain, [&](int64_t begin, int64_t end) {
        for (int64_t item = begin; item < end; item++) {
          int64_t k0 = s0 + item / a_panels * depth.kc, i = item % a_panels * MR;
          int64_t kc = min64(depth.kc, s1 - k0);
          pack_a(k0, kc, ic + i, int(min64(MR, rows - i)),
                 space.data + (k0 - s0) * height + i * kc);
        }
      });
      for_tasks(serial, row_blocks * col_blocks, 1, [&](int64_t begin, int64_t end) {
        Workspace<T> own(depth.kc * NR);
        for (int64_t task = begin; task < end; task++) {
          int64_t i0 = task % row_blocks * mc, i1 = min64(rows, i0 + mc);
          int64_t p0 = task / row_blocks * group, p1 = min64(panels.count, p0 + group);
          for (int64_t p = p0; p < p1; p++) {
            int64_t j = panels.begin(p);
            for (int64_t k0 = s0; k0 == s0 || k0 < s1; k0 += depth.kc) {
              int64_t kc = min64(depth.kc, s1 - k0);
              pack_b(k0, kc, j, int(panels.end(p) - j), own.data);
              gemm_block<T, Kernels>(panels, ic + i0, ic + i1, p, p + 1, 0, kc,
                                     space.data + (k0 - s0) * height + i0 * kc, own.data, store,
                                     k0 == 0, k0 + kc >= k);
              if (kc == 0) break;
            }
          }
        }
      });
    }
  }
}

// serial: called from inside of a parallel region, or too small for threads.
template <class T, class Kernels = PackedKernels<T>, class PackA, class PackB, class Store>
void gemm_blocked(int64_t m, int64_t n, int64_t k, const PackA& pack_a, const PackB& pack_b,
                  const Store& store, bool serial) {
  if (m <= 0 || n <= 0) return;
  const int threads = serial ? 1 : num_threads();
  if (m >= n) {
    gemm_by_rows<T, Kernels>(m, n, k, pack_a, pack_b, store, threads);
  } else {
    gemm_by_columns<T, Kernels>(m, n, k, pack_a, pack_b, store, threads);
  }
}

}  // namespace mt::cpu::MT_ISA
