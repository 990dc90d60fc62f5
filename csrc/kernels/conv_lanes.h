// Sums over shifted rows (conv_rows.h) with vectors over the channels written, for a tile of
// successive outputs of a row:
//   tile[j, o] = bias[o] + sum over k of a[k, o] * src[offsets[k] + j*stride]
// No column is computed in vain, whatever the width of the rows; the tile is turned in registers
// when it is stored.
#pragma once
#include "kernels/conv_source.h"

namespace mt::cpu::MT_ISA {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kLaneOutputs = 14;  // of a tile: with two vectors of channels 28 sums in registers
#else
constexpr int kLaneOutputs = 6;
#endif
constexpr int kLaneVectors = 2;
constexpr int64_t kLaneDepth = 192;  // weights of as many steps of k stay in L1

// sums[r, o] for R outputs and NV vectors of channels: from start[o], or going on where it is null.
template <class T>
using LaneKernel = void(int64_t k, const T* a, const T* src, int64_t move, const int64_t* offsets,
                        const T* start, T* sums);

// S: elements of src from an output to the next, 0: any.
template <class T, int S, int R, int NV>
void lane_kernel(int64_t k, const T* a, const T* src, int64_t move, const int64_t* offsets,
                 const T* start, T* sums) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL;
  const int64_t step = S ? S : move;
  Vec acc[R][NV];
#pragma GCC unroll 14
  for (int r = 0; r < R; r++)
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++)
      acc[r][v] = load_unaligned<Vec>(start ? start + v * VL : sums + (r * NV + v) * VL);
  for (int64_t p = 0; p < k; p++) {
    const T* row = src + offsets[p];
    Vec w[NV];
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) w[v] = load_unaligned<Vec>(a + v * VL);
#pragma GCC unroll 14
    for (int r = 0; r < R; r++) {
      const Vec x = row[r * step] - Vec{};
#pragma GCC unroll 2
      for (int v = 0; v < NV; v++) acc[r][v] += x * w[v];
    }
    a += NV * VL;
  }
#pragma GCC unroll 14
  for (int r = 0; r < R; r++)
#pragma GCC unroll 2
    for (int v = 0; v < NV; v++) store_unaligned(sums + (r * NV + v) * VL, acc[r][v]);
}

template <class T, int S, int R, int NV>
MT_INLINE LaneKernel<T>* pick_lane_kernel(int outputs, int vectors) {
  if constexpr (R > 1) {
    if (outputs < R) return pick_lane_kernel<T, S, R - 1, NV>(outputs, vectors);
  }
  if constexpr (NV > 1) {
    if (vectors < NV) return pick_lane_kernel<T, S, R, NV - 1>(outputs, vectors);
  }
  return &lane_kernel<T, S, R, NV>;
}
template <class T>
MT_INLINE LaneKernel<T>* lane_kernel_for(int64_t move, int outputs, int vectors) {
  if (move == 1) return pick_lane_kernel<T, 1, kLaneOutputs, kLaneVectors>(outputs, vectors);
  if (move == 2) return pick_lane_kernel<T, 2, kLaneOutputs, kLaneVectors>(outputs, vectors);
  return pick_lane_kernel<T, 0, kLaneOutputs, kLaneVectors>(outputs, vectors);
}

// Columns computed for each output by sums of shifted rows.
template <class T>
double row_waste(const RowSource& s) {
  constexpr int VL = Tile<T>::VL;
  const int64_t lines = s.ext[0] > 1 ? (s.grid[0] - 1) * s.ext[1] + s.grid[1] : s.grid[1];
  const int64_t length = (lines - 1) * s.ext[2] + s.grid[2];
  return double(round_up(length, VL)) / double(s.grid[0] * s.grid[1] * s.grid[2]);
}
// The same for vectors over m channels: those beyond m.
template <class T>
double lane_waste(int64_t m) {
  return double(round_up(m, Tile<T>::VL)) / double(m);
}
// Whether tiles of channels beat sums of shifted rows. s: split by residues; k: steps of a sum;
// step: of the outputs; plane: distance of the channels written. Turning a tile takes some hundred
// cycles, more where its rows share cache sets or are not contiguous; strided images cost it a
// twentieth more than an image split by residues costs the rows.
template <class T>
bool lanes_pay(const RowSource& s, int64_t m, int64_t k, int64_t step, int64_t plane) {
  if (sizeof(T) != sizeof(float)) return false;
  const double turning = plane * int64_t(sizeof(T)) % 4096 == 0 ? 500 : step > 1 ? 250 : 120;
  const double lanes = lane_waste<T>(m) * (1 + turning / double(kLaneOutputs * max64(1, k)));
  return lanes * 1.01 < row_waste<T>(s) * (s.step[1] > 1 ? 0.94 : 1);
}

// Row i of the result is column i of x: VL rows of VL.
template <class T>
MT_INLINE void turn(GemmVec<T>* x) {
  constexpr int VL = Tile<T>::VL;
#pragma GCC unroll 4
  for (int round = 1; round < VL; round *= 2) {
    GemmVec<T> z[VL];
#pragma GCC unroll 8
    for (int i = 0; i < VL / 2; i++) {
      z[2 * i] = zip_half<T>(x[i], x[i + VL / 2], 0);
      z[2 * i + 1] = zip_half<T>(x[i], x[i + VL / 2], 1);
    }
#pragma GCC unroll 16
    for (int i = 0; i < VL; i++) x[i] = z[i];
  }
}

// y[channel*channel_stride + r*step] = tile[r, channel] for `outputs` r and `channels` channels.
template <class T>
void put_lanes(const T* tile, int vectors, int outputs, int channels, int64_t channel_stride,
               int64_t step, T* y) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL;
  for (int v = 0; v < vectors; v++)
    for (int r0 = 0; r0 < outputs; r0 += VL) {
      Vec x[VL];
#pragma GCC unroll 16
      for (int r = 0; r < VL; r++) x[r] = load_unaligned<Vec>(tile + ((r0 + r) * vectors + v) * VL);
      turn<T>(x);
      const int n = int(min64(VL, outputs - r0)), count = int(min64(VL, channels - v * VL));
      T* to = y + v * VL * channel_stride + r0 * step;
      if (step == 1 && count == VL) {
#pragma GCC unroll 16
        for (int i = 0; i < VL; i++) store_lanes<T>(to + i * channel_stride, x[i], n);
      } else {
        alignas(64) T lines[VL * VL];
#pragma GCC unroll 16
        for (int i = 0; i < VL; i++) store_unaligned(lines + i * VL, x[i]);
        for (int i = 0; i < count; i++)
          for (int r = 0; r < n; r++) to[i * channel_stride + r * step] = lines[i * VL + r];
      }
    }
}

// One sum over shifted rows: output q of the grid goes to position q*step + first.
struct RowPass {
  int64_t k;
  int64_t* offsets;
  int64_t grid[3], step[3], first[3];
  // Taps of dim 1, where dim 0 has one: tap t reads row row_first + t*row_step for output row 0.
  int64_t tap_rows = 1, row_taps = 1, row_first = 0, row_step = 0;

  // Steps of k run over (channel, tap). For lanes they run over (row of taps, channel, tap of the
  // row), so that rows of taps that fall into the padding can be left out: the place of step q.
  int64_t place(int64_t q) const {
    const int64_t taps = tap_rows * row_taps, c = q / taps, t = q % taps;
    return (t / row_taps * (k / taps) + c) * row_taps + t % row_taps;
  }
  void reorder() const {
    if (tap_rows == 1) return;
    Workspace<int64_t> before(k);
    for (int64_t q = 0; q < k; q++) before.data[q] = offsets[q];
    for (int64_t q = 0; q < k; q++) offsets[place(q)] = before.data[q];
  }
};
template <class T>
struct RowTarget {
  T* y;
  int64_t image_stride, channel_stride, size[3];
  int64_t channels;  // of a group
  const T* bias;
};

// The tiles of `channels` channels in `vectors` vectors over the band at b0. k is cut so that the
// weights of a block stay in L1; meanwhile the sums lie in `sums`.
template <class T>
void lane_tiles(const RowSource& s, const RowPass& pass, const RowTarget<T>& target, int64_t b0,
                int channels, const T* a, const T* src, T* y, const T* bias, T* sums) {
  constexpr int VL = Tile<T>::VL;
  const int vectors = int(ceil_div(channels, VL)), row = vectors * VL;
  int64_t grid[3] = {pass.grid[0], pass.grid[1], pass.grid[2]}, at[3] = {0, 0, 0};
  grid[s.band_dim] = min64(s.band, grid[s.band_dim] - b0);
  at[s.band_dim] = b0;
  if (grid[0] <= 0 || grid[1] <= 0) return;
  T start[kLaneVectors * VL] = {};
  for (int i = 0; bias && i < channels; i++) start[i] = bias[i];
  // Rows without gaps follow each other.
  const bool skips = pass.tap_rows > 1 && !s.in_place;
  const bool joined = !skips && s.halo(2) == 0 && s.move[1] == 1 && s.move[2] == 1 &&
                      pass.grid[2] == s.ext[2] && pass.step[2] == 1 && pass.step[1] == 1 &&
                      target.size[2] == s.ext[2];
  const int64_t lines = joined ? 1 : grid[1], width = joined ? grid[1] * grid[2] : grid[2];
  const int64_t tiles = ceil_div(width, kLaneOutputs);
  const int64_t depth = even_part(pass.k, kLaneDepth * kLaneVectors / vectors, 1);
  for (int64_t k0 = 0; k0 == 0 || k0 < pass.k; k0 += depth) {
    const int64_t kc = min64(depth, pass.k - k0);
    const T* from_start = k0 == 0 ? start : nullptr;
    T* tile = sums;
    for (int64_t q0 = 0; q0 < grid[0]; q0++)
      for (int64_t q1 = 0; q1 < lines; q1++) {
        const T* from = src + (q0 * s.move[0] * s.ext[1] + q1 * s.move[1]) * s.ext[2];
        int64_t lo = k0, hi = k0 + kc;
        if (skips) {
          const int64_t source = (q1 + at[1]) * s.move[1] + pass.row_first;
          const auto inside = [&](int64_t t) {
            return uint64_t(source + t * pass.row_step) < uint64_t(s.in[1]);
          };
          int64_t t0 = 0, t1 = pass.tap_rows;
          while (t0 < t1 && !inside(t0)) t0++;
          while (t1 > t0 && !inside(t1 - 1)) t1--;
          const int64_t per_row = pass.k / pass.tap_rows;
          lo = max64(lo, t0 * per_row), hi = max64(lo, min64(hi, t1 * per_row));
        }
        T* to = y +
                (((q0 + at[0]) * pass.step[0] + pass.first[0]) * target.size[1] +
                 (q1 + at[1]) * pass.step[1] + pass.first[1]) *
                    target.size[2] +
                pass.first[2];
        for (int64_t t = 0; t < tiles; t++) {
          const int64_t j = width * t / tiles;
          const int n = int(width * (t + 1) / tiles - j);
          lane_kernel_for<T>(s.move[2], n, vectors)(hi - lo, a + lo * row, from + j * s.move[2],
                                                    s.move[2], pass.offsets + lo, from_start, tile);
          if (k0 + kc >= pass.k)
            put_lanes(tile, vectors, n, channels, target.channel_stride, pass.step[2],
                      to + j * pass.step[2]);
          tile += n * row;
        }
      }
  }
}

}  // namespace mt::cpu::MT_ISA
