// Gradient of the weight as dot products along the rows of conv_rows.h:
//   dw[o, c, t] = sum over images and j of dy[o, j] * copy[offset(c, t) + j]
// with dy copied to the pitch of the image's copy, zero between its rows. Both operands are
// contiguous along the sum, so tiles of a few o by a few (c, t) keep vectors of partial sums in
// registers. Images are summed in slices of fixed size, whose results are added in order.
#pragma once
#include "kernels/conv_rows.h"

namespace mt::cpu::MT_ISA {

template <class T>
struct DotTile {
#if defined(__AVX512F__) || defined(__aarch64__)
  static constexpr int MO = 4, MK = 6;
#else
  static constexpr int MO = 3, MK = 3;
#endif
};

// One image, or band of one.
template <class T>
struct DotItem {
  const T *g, *x;
  int64_t length;
};

// sums[i] = the lanes of v[i] added up, for i < VL.
template <class T, int N>
MT_INLINE GemmVec<T> add_lanes(const GemmVec<T>* v) {
  constexpr int VL = Tile<T>::VL;
  if constexpr (N == 1) {
    return v[0];
  } else {
    using Index = typename VectorOf<typename Int<sizeof(T)>::type>::type;
    const GemmVec<T> a = add_lanes<T, N / 2>(v), b = add_lanes<T, N / 2>(v + N / 2);
    Index even, odd;
    for (int i = 0; i < VL; i++) even[i] = 2 * i, odd[i] = 2 * i + 1;
    return __builtin_shuffle(a, b, even) + __builtin_shuffle(a, b, odd);
  }
}

// sums[r][q] = dot of rows r < R of g with the shifts q < MK of x, over all items.
template <class T, int R>
void dot_kernel(const DotItem<T>* items, int64_t count, const int64_t* g_rows,
                const int64_t* offsets, T* sums) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL, MK = DotTile<T>::MK;
  Vec acc[R * MK] = {};
  for (int64_t i = 0; i < count; i++) {
    const T *g[R], *x[MK];
    for (int r = 0; r < R; r++) g[r] = items[i].g + g_rows[r];
    for (int q = 0; q < MK; q++) x[q] = items[i].x + offsets[q];
    const int64_t n = items[i].length;
    int64_t j = 0;
    for (; j + VL <= n; j += VL) {
      Vec gv[R];
#pragma GCC unroll 4
      for (int r = 0; r < R; r++) gv[r] = load_unaligned<Vec>(g[r] + j);
#pragma GCC unroll 6
      for (int q = 0; q < MK; q++) {
        const Vec xv = load_unaligned<Vec>(x[q] + j);
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) acc[r * MK + q] += gv[r] * xv;
      }
    }
    if (j < n) {
      const int rest = int(n - j);
      Vec gv[R];
#pragma GCC unroll 4
      for (int r = 0; r < R; r++) gv[r] = load_lanes<T>(g[r] + j, rest);
#pragma GCC unroll 6
      for (int q = 0; q < MK; q++) {
        const Vec xv = load_lanes<T>(x[q] + j, rest);
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) acc[r * MK + q] += gv[r] * xv;
      }
    }
  }
  constexpr int padded = (R * MK + VL - 1) / VL * VL;
  Vec all[padded];
#pragma GCC unroll 32
  for (int i = 0; i < padded; i++) all[i] = i < R * MK ? acc[i] : Vec{};
  for (int i = 0; i < padded; i += VL) store_unaligned(sums + i, add_lanes<T, VL>(all + i));
}

template <class T>
MT_INLINE void run_dot_kernel(int rows, const DotItem<T>* items, int64_t count,
                              const int64_t* g_rows, const int64_t* offsets, T* sums) {
  switch (rows) {
    case 1:
      return dot_kernel<T, 1>(items, count, g_rows, offsets, sums);
    case 2:
      return dot_kernel<T, 2>(items, count, g_rows, offsets, sums);
    case 3:
      return dot_kernel<T, 3>(items, count, g_rows, offsets, sums);
    default:
      return dot_kernel<T, DotTile<T>::MO>(items, count, g_rows, offsets, sums);
  }
}

// dy of one channel for the band at b0, n outputs of the band dim, at the pitch of the copy.
template <class T>
void copy_gradient(const RowSource& s, const T* dy, int64_t b0, int64_t n, T* dst) {
  int64_t grid[3] = {s.grid[0], s.grid[1], s.grid[2]};
  grid[s.band_dim] = n;
  const int64_t gap = s.ext[2] - s.grid[2];
  for (int64_t q0 = 0; q0 < grid[0]; q0++) {
    for (int64_t q1 = 0; q1 < grid[1]; q1++) {
      const int64_t r0 = s.band_dim == 0 ? q0 + b0 : q0, r1 = s.band_dim == 1 ? q1 + b0 : q1;
      const T* from = dy + (r0 * s.grid[1] + r1) * s.grid[2];
      copy_strided(from, 1, grid[2], dst);
      dst += grid[2];
      for (int64_t i = 0; i < gap; i++) dst[i] = T(0);
      dst += gap;
    }
    if (s.band_dim == 0) {
      const int64_t lines = (s.ext[1] - grid[1]) * s.ext[2];
      for (int64_t i = 0; i < lines; i++) dst[i] = T(0);
      dst += lines;
    }
  }
}

struct DotPlan {
  RowSource s;
  bool g_in_place;  // dy has no gaps between its rows
  int64_t g_plane;  // distance of dy's rows
  int64_t items, slices, chunk, parts;
};

template <class T>
DotPlan dot_plan(const ConvParams& p) {
  DotPlan plan;
  RowSource& s = plan.s = forward_source<T>(p, true);
  const double flops = conv_flops(p);
  const int64_t o = p.o / p.groups, k = s.channels * p.taps();
  s.cut(0, 1);
  // Long sums pay for the adding of lanes at their end; a few rows of dy stay in L2.
  const int64_t line = s.band_stride(), rows = s.grid[s.band_dim];
  s.set_band(ceil_div(rows, ceil_div(rows, max64(4, 2048 / line))));
  plan.g_in_place = kMaskedLoads && s.halo(2) == 0 && (s.band_dim == 1 || s.halo(1) == 0);
  plan.g_plane = plan.g_in_place ? p.out_size() : round_up(s.band * line, 16) + 16;
  plan.items = p.batch * s.bands();
  plan.chunk = max64(1, min64(plan.items, 2048 / (s.band * line)));
  const int64_t wanted = max64(1, int64_t(flops / 2e6 < 16 ? flops / 2e6 : 16) / p.groups);
  const int64_t room = max64(2, (int64_t(4) << 20) / max64(1, o * k));
  plan.slices = min64(min64(ceil_div(plan.items, plan.chunk), room), wanted);
  if (o * k <= 8192) plan.slices = min64(plan.items, wanted);
  plan.chunk = min64(plan.chunk, ceil_div(plan.items, plan.slices));
  plan.parts = max64(1, min64(wanted / plan.slices, o / 16));
  return plan;
}

template <class T>
void conv_dots_backward_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  constexpr int MO = DotTile<T>::MO, MK = DotTile<T>::MK;
  const DotPlan plan = dot_plan<T>(p);
  const RowSource& s = plan.s;
  const int64_t o = p.o / p.groups, k = s.channels * p.taps(), bands = s.bands();
  const int64_t size = o * k, k_tiles = ceil_div(k, MK), o_tiles = ceil_div(o, MO);
  Workspace<int64_t> offsets(k_tiles * MK);
  forward_offsets(p, s, offsets.data);
  for (int64_t q = k; q < k_tiles * MK; q++) offsets.data[q] = offsets.data[k - 1];
  Workspace<T> partial(plan.slices > 1 ? plan.slices * p.groups * size : 0);

  const double flops = conv_flops(p);
  const int64_t tasks = p.groups * plan.slices * plan.parts;
  const int64_t grain = max64(1, int64_t(double(tasks) * kConvThreadedFlops / 2 / (flops + 1)));
  // Several parts read the same copies of the image, which are then made beforehand.
  const bool share = plan.parts > 1 && !s.in_place;
  const int64_t plane_count = s.planes() * s.plane;
  Workspace<T> shared(share ? p.groups * plan.items * plane_count : 0);
  auto copy_image = [&](int64_t g, int64_t item, T* to) {
    const int64_t b0 = item % bands * s.band;
    copy_source(s, x + item / bands * s.image_stride + g * s.channels * p.in_size(), b0,
                min64(s.band, s.grid[s.band_dim] - b0), to);
  };
  if (share) {
    parallel_for(p.groups * plan.items, max64(1, kGrain / plane_count),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; i++)
                     copy_image(i / plan.items, i % plan.items, shared.data + i * plane_count);
                 });
  }
  parallel_for(tasks, grain, [&](int64_t begin, int64_t end) {
    const int64_t x_copy = s.in_place || share ? 0 : plane_count;
    const int64_t g_copy = plan.g_in_place ? 0 : o * plan.g_plane;
    Workspace<T> copies(plan.chunk * (x_copy + g_copy));
    Workspace<DotItem<T>> items(plan.chunk);
    for (int64_t task = begin; task < end; task++) {
      const int64_t part = task % plan.parts, slice = task / plan.parts % plan.slices;
      const int64_t g = task / plan.parts / plan.slices;
      const int64_t tile0 = o_tiles * part / plan.parts, tile1 = o_tiles * (part + 1) / plan.parts;
      const int64_t row0 = o * tile0 / o_tiles, row1 = o * tile1 / o_tiles;
      T* sums = plan.slices > 1 ? partial.data + (g * plan.slices + slice) * size : dw + g * size;
      for (int64_t i = row0 * k; i < row1 * k; i++) sums[i] = T(0);
      const int64_t first = plan.items * slice / plan.slices;
      const int64_t last = plan.items * (slice + 1) / plan.slices;
      for (int64_t i0 = first; i0 < last; i0 += plan.chunk) {
        const int64_t count = min64(plan.chunk, last - i0);
        for (int64_t i = 0; i < count; i++) {
          const int64_t image = (i0 + i) / bands, b0 = (i0 + i) % bands * s.band;
          const int64_t n = min64(s.band, s.grid[s.band_dim] - b0);
          const int64_t line = s.band_stride();
          DotItem<T>& item = items.data[i];
          item.x = x + image * s.image_stride + g * s.channels * p.in_size();
          item.g = dy + (image * p.o + g * o) * p.out_size();
          item.length = n * line;
          if (s.in_place) {
            item.x += b0 * line;
            // The last row's gap is not read: nothing need lie behind it.
            item.length -= s.halo(2);
            if (s.band_dim == 0) item.length -= s.halo(1) * s.ext[2];
          } else {
            if (share) {
              item.x = shared.data + (g * plan.items + i0 + i) * plane_count;
            } else {
              T* to = copies.data + i * (x_copy + g_copy);
              copy_image(g, i0 + i, to);
              item.x = to;
            }
            item.length -= s.halo(2);
            if (s.band_dim == 0) item.length -= s.halo(1) * s.ext[2];
          }
          if (plan.g_in_place) {
            item.g += b0 * line;
          } else {
            T* to = copies.data + i * (x_copy + g_copy) + x_copy;
            for (int64_t r = row0; r < row1; r++)
              copy_gradient(s, item.g + r * p.out_size(), b0, n, to + r * plan.g_plane);
            item.g = to;
          }
        }
        for (int64_t ot = tile0; ot < tile1; ot++) {
          const int64_t r0 = o * ot / o_tiles;
          const int rows = int(o * (ot + 1) / o_tiles - r0);
          int64_t g_rows[MO];
          for (int r = 0; r < MO; r++) g_rows[r] = (r0 + r) * plan.g_plane;
          for (int64_t kt = 0; kt < k_tiles; kt++) {
            T out[MO * MK + Tile<T>::VL];
            run_dot_kernel<T>(rows, items.data, count, g_rows, offsets.data + kt * MK, out);
            const int64_t columns = min64(MK, k - kt * MK);
            for (int r = 0; r < rows; r++)
              for (int64_t q = 0; q < columns; q++)
                sums[(r0 + r) * k + kt * MK + q] += out[r * MK + q];
          }
        }
      }
    }
  });
  if (plan.slices == 1) return;
  parallel_for(p.groups * size, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const T* from = partial.data + i / size * plan.slices * size + i % size;
      T sum = T(0);
      for (int64_t slice = 0; slice < plan.slices; slice++) sum += from[slice * size];
      dw[i] = sum;
    }
  });
}

}  // namespace mt::cpu::MT_ISA
