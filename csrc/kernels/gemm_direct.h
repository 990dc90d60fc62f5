// Products whose A is read in place: small ones, those of few rows or few columns, and others whose
// A lies along k, so that the lines of a tile's rows serve several steps. B is read in place, too,
// where its rows are contiguous and each element is used only a few times; else it is packed.
#pragma once
#include "kernels/gemm_store.h"

namespace mt::cpu::MT_ISA {

constexpr int64_t kShallow = 8;  // depth of a block that walks along rows of B

// Rows [i0, i1) by the panels [p0, p1) of C's columns. packed: all panels of B (pack_columns), or
// null; then b_space is room for a panel, used where B is copied or cannot be read in place.
template <class T, class Store>
void direct_block(const ColumnPanels<T>& panels, int64_t i0, int64_t i1, int64_t p0, int64_t p1,
                  int64_t k, int64_t kc_most, const PackStrided<T, Tile<T>::MR, T>& a,
                  const PackStrided<T, Tile<T>::NR, T>& b, const T* packed, bool copy_b,
                  const Store& store, T* b_space) {
  constexpr int MR = Tile<T>::MR, NR = Tile<T>::NR, VL = Tile<T>::VL;
  // Rows in nearly equal tiles: 9 is 5 + 4, not 8 + 1.
  const int64_t tiles = ceil_div(i1 - i0, MR);
  for (int64_t k0 = 0; k0 == 0 || k0 < k; k0 += kc_most) {
    const int64_t kc = min64(kc_most, k - k0);
    const bool first = k0 == 0, last = k0 + kc >= k;
    for (int64_t p = p0; p < p1; p++) {
      const int64_t j = panels.begin(p);
      const int cols = int(panels.end(p) - j);
      const int vectors = (cols + VL - 1) / VL, lanes = cols - (vectors - 1) * VL;
      const T* panel = b.data + k0 * b.along + j * b.across;
      int64_t b_row = b.along;
      if (packed) {
        panel = packed + (k0 * panels.count + p * kc) * NR;
        b_row = NR;
      } else if (copy_b || b.across != 1 || (!kMaskedLoads && lanes < VL)) {
        b(k0, kc, j, cols, b_space);
        panel = b_space;
        b_row = NR;
      }
      for (int64_t t = 0, i = i0; t < tiles; t++) {
        const int rows = int((i1 - i0) * (t + 1) / tiles - (i - i0));
        auto* kernel = micro_kernel_for<T, false>(rows, vectors);
        const T* a_tile = a.data + i * a.across + k0 * a.along;
        T* c;
        int64_t c_row;
        bool add;
        if (store.direct(i, j, rows, cols, first, last, &c, &c_row, &add)) {
          if (packed && rows == MR) prefetch_tile<T, MR, Tile<T>::NV>(c, c_row);
          kernel(kc, a_tile, a.across, a.along, panel, b_row, c, c_row, add, lanes);
          if (last) store.finish(i, j, rows, cols);
        } else {
          alignas(64) T tile[MR * NR];
          kernel(kc, a_tile, a.across, a.along, panel, b_row, tile, NR, false, lanes);
          store.merge(i, j, rows, cols, tile, first, last);
        }
        i += rows;
      }
    }
    if (kc <= 0) break;
  }
}

// copy_b: B is packed even where it could be read in place.
template <class T, class Store>
void gemm_direct(int64_t m, int64_t n, int64_t k, const PackStrided<T, Tile<T>::MR, T>& a,
                 const PackStrided<T, Tile<T>::NR, T>& b, const Store& store, bool copy_b,
                 bool serial) {
  constexpr int64_t MR = Tile<T>::MR, NR = Tile<T>::NR;
  // Very few rows over a wide B in place: shallow blocks walk along its rows instead of down a
  // column of pages. C stays in cache meanwhile.
  const bool wide = !copy_b && b.across == 1 && n > 8 * NR && m < 4;
  const int64_t kc = wide ? kShallow : k > 0 ? even_part(k, Tile<T>::KC, 8) : 0;
  const bool copies = copy_b || b.across != 1 || (!kMaskedLoads && n % Tile<T>::VL != 0);
  const ColumnPanels<T> panels(n);
  if (copy_b ? m >= n : m > 2 * n) {
    // All tasks share one copy of B.
    Workspace<T> packed(copies ? k * panels.count * NR : 0);
    if (copies) pack_columns<T>(panels, 0, 0, k, kc, b, packed.data, serial);
    TaskGrid grid(m, panels.count, 16 * MR, MR, serial ? 1 : num_threads());
    if (!copy_b) {
      grid.rows = round_up(max64(1, (copies ? 524288 : 131072) / max64(1, k * n)), MR);
      grid.row_blocks = ceil_div(m, grid.rows);
      grid.width = panels.count, grid.col_blocks = 1;
    }
    for_tasks(serial, grid.row_blocks * grid.col_blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; task++) {
        const int64_t i0 = task / grid.col_blocks * grid.rows;
        const int64_t p0 = task % grid.col_blocks * grid.width;
        direct_block<T>(panels, i0, min64(m, i0 + grid.rows), p0,
                        min64(panels.count, p0 + grid.width), k, kc, a, b,
                        copies ? packed.data : nullptr, false, store, nullptr);
      }
    });
  } else {
    // Every task copies its part of B; where those are few, several share a panel's rows.
    const int64_t strip = max64(wide ? 8 : 1, 131072 / max64(1, k * m * NR));
    const int64_t strips = ceil_div(panels.count, strip);
    const int64_t wanted = serial || !copy_b ? 1 : 4 * num_threads();
    const int64_t rows = even_part(m, max64(8 * MR, ceil_div(m * strips, wanted)), MR);
    const int64_t row_blocks = ceil_div(m, rows);
    for_tasks(serial, strips * row_blocks, 1, [&](int64_t begin, int64_t end) {
      Workspace<T> own(copies ? max64(kc, 1) * NR : 0);
      for (int64_t task = begin; task < end; task++) {
        const int64_t i0 = task % row_blocks * rows, p0 = task / row_blocks * strip;
        direct_block<T>(panels, i0, min64(m, i0 + rows), p0, min64(panels.count, p0 + strip), k, kc,
                        a, b, nullptr, copy_b, store, own.data);
      }
    });
  }
}

// y[j0..j1) = sum over p of x[p*x_step] * b[p*b_row + j]: several rows of B at a time, along them.
template <class T, class Src>
void gemv_columns(int64_t j0, int64_t j1, int64_t k, const Src* x, int64_t x_step, const Src* b,
                  int64_t b_row, T* y) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL, NV = 4, R = kVectorBytes >= 64 ? 8 : 4;
  for (int64_t j = j0; j < j1; j++) y[j] = T(0);
  int64_t p = 0;
  for (; p + R <= k; p += R) {
    Vec xv[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) xv[r] = widen(x[(p + r) * x_step]) - Vec{};
    const Src* rows = b + p * b_row;
    int64_t j = j0;
    for (; j + NV * VL <= j1; j += NV * VL) {
      Vec sum[NV];
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) sum[v] = load_unaligned<Vec>(y + j + v * VL);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < NV; v++)
          sum[v] += xv[r] * load_wide<Vec>(rows + r * b_row + j + v * VL);
      }
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) store_unaligned(y + j + v * VL, sum[v]);
    }
    for (; j < j1; j += VL) {
      const int lanes = int(min64(VL, j1 - j));
      Vec sum = load_lanes<T>(y + j, lanes);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) sum += xv[r] * load_wide_lanes<T>(rows + r * b_row + j, lanes);
      store_lanes<T>(y + j, sum, lanes);
    }
  }
  for (; p < k; p++) {
    const Vec xv = widen(x[p * x_step]) - Vec{};
    for (int64_t j = j0; j < j1; j += VL) {
      const int lanes = int(min64(VL, j1 - j));
      store_lanes<T>(
          y + j, load_lanes<T>(y + j, lanes) + xv * load_wide_lanes<T>(b + p * b_row + j, lanes),
          lanes);
    }
  }
}

// One row of A, rows of B contiguous. Tasks are whole rows of B (up to a strip whose part of y
// stays in L1), so that memory is read in long runs: each sums some of the rows, and the sums are
// added in order.
template <class T, class Src, class Store>
void gemv(int64_t n, int64_t k, const Src* x, int64_t x_step, const Src* b, int64_t b_row,
          const Store& store, bool serial) {
  constexpr int64_t NR = Tile<T>::NR;
  constexpr int64_t kElements = 131072;  // of B, the least for a task
  const int64_t width = even_part(n, 16384 / int64_t(sizeof(T)), NR);
  const int64_t strips = ceil_div(n, width);
  const int64_t parts = max64(1, min64(ceil_div(16, strips), k * width / kElements));
  const int64_t depth = ceil_div(k, parts);
  Workspace<T> sums(parts * n);
  for_tasks(serial, strips * parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; task++) {
      const int64_t part = task / strips, j0 = task % strips * width, p0 = part * depth;
      gemv_columns<T>(j0, min64(n, j0 + width), max64(0, min64(depth, k - p0)), x + p0 * x_step,
                      x_step, b + p0 * b_row, b_row, sums.data + part * n);
    }
  });
  T* y = sums.data;
  for (int64_t part = 1; part < parts; part++) {
    for (int64_t j = 0; j < n; j++) y[j] += sums.data[part * n + j];
  }
  for (int64_t j = 0; j < n; j += NR)
    store.merge(0, j, 1, int(min64(NR, n - j)), y + j, true, true);
}

}  // namespace mt::cpu::MT_ISA
