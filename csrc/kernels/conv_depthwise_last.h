// Depthwise convolution of a channels_last batch: x[b, h, w, c], y[b, h, w, c], one filter per
// channel. Vectors run over channels, so a tap of a tile of kRow outputs of a row is kRow vectors
// of x times one vector of weights; columns and rows outside of the image are pointers to zeros.
//   forward           y[i, j] = sum over u, v of w[u, v] * x[i*S + u - pad, j*S + v - pad]
//   gradient of x     the same over dy, once per residue of the position modulo the stride
//   gradient of w     dw[u, v] = sum over i, j of dy[i, j] * x[i*S + u - pad, j*S + v - pad],
//                     in slices of image rows whose sums are added in order
// Tasks are rows of outputs. Bound by memory: 2*K*K flops per 8 bytes.
#pragma once
#include "kernels/conv_gemm.h"

namespace mt::cpu::MT_ISA {

constexpr int kRow = 7;  // outputs of a tile: image widths are often multiples of 7
constexpr int kMostTaps = 7;

// Taps in rows by columns that are applied at every position of a grid. Output (i, j) of the grid
// lies at i*out_step + out_first and reads the source from i*step + first on.
template <class T>
struct LastPass {
  const T* w;  // [rows, cols, channels]
  int rows, cols;
  int64_t grid[2], first[2], out_first[2];
};
struct LastShape {
  int64_t channels, in[2], out[2], out_step;
};

// Where the columns of a tile start: the image's, or zeros outside of it.
template <class T>
struct LastColumns {
  static constexpr int kMost = 2 * (kRow - 1) + kMostTaps;
  const T* at[kMostTaps][kMost];

  MT_INLINE void set(const T* image, const LastShape& s, int64_t row, int64_t col, int rows,
                     int cols, const T* zeros) {
    const bool whole = col >= 0 && col + cols <= s.in[1];
    for (int i = 0; i < rows; i++) {
      const bool inside = uint64_t(row + i) < uint64_t(s.in[0]);
      const T* from = image + ((row + i) * s.in[1] + col) * s.channels;
      if (inside && whole) {
        for (int q = 0; q < cols; q++) at[i][q] = from + q * s.channels;
      } else {
        for (int q = 0; q < cols; q++)
          at[i][q] =
              inside && uint64_t(col + q) < uint64_t(s.in[1]) ? from + q * s.channels : zeros;
      }
    }
  }
};

// f(channel, load, store) for each vector of channels.
template <class T, class F>
MT_INLINE void for_channels(int64_t channels, const F& f) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL;
  int64_t c = 0;
  for (; c + VL <= channels; c += VL)
    f([c](const T* p) { return load_unaligned<Vec>(p + c); },
      [c](T* p, Vec v) { store_unaligned(p + c, v); });
  if (c < channels) {
    const int rest = int(channels - c);
    f([c, rest](const T* p) { return load_lanes<T>(p + c, rest); },
      [c, rest](T* p, Vec v) { store_lanes<T>(p + c, v, rest); });
  }
}

// `count` <= kRow outputs, y_step elements apart.
template <class T, int S, int K>
void last_outputs(const LastColumns<T>& x, const T* w, int rows, const T* bias, int64_t channels,
                  int count, int64_t y_step, T* y) {
  using Vec = GemmVec<T>;
  for_channels<T>(channels, [&](const auto& load, const auto& store) {
    Vec acc[kRow];
    const Vec b = bias ? load(bias) : Vec{};
#pragma GCC unroll 8
    for (int q = 0; q < kRow; q++) acc[q] = b;
    for (int i = 0; i < rows; i++) {
      Vec taps[K];
#pragma GCC unroll 8
      for (int t = 0; t < K; t++) taps[t] = load(w + (i * K + t) * channels);
#pragma GCC unroll 20
      for (int e = 0; e < S * (kRow - 1) + K; e++) {
        const Vec v = load(x.at[i][e]);
#pragma GCC unroll 8
        for (int q = 0; q < kRow; q++)
          if (e - S * q >= 0 && e - S * q < K) acc[q] += taps[e - S * q] * v;
      }
    }
#pragma GCC unroll 8
    for (int q = 0; q < kRow; q++)
      if (q < count) store(y + q * y_step, acc[q]);
  });
}

// sums[i, t] += the tile's part of the gradient of the weight.
template <class T, int S, int K>
void last_dots(const LastColumns<T>& x, const T* const* dy, int64_t channels, T* sums) {
  using Vec = GemmVec<T>;
  for_channels<T>(channels, [&](const auto& load, const auto& store) {
    Vec g[kRow];
#pragma GCC unroll 8
    for (int q = 0; q < kRow; q++) g[q] = load(dy[q]);
    for (int i = 0; i < K; i++) {
      T* to = sums + i * K * channels;
      Vec acc[K];
#pragma GCC unroll 8
      for (int t = 0; t < K; t++) acc[t] = load(to + t * channels);
#pragma GCC unroll 20
      for (int e = 0; e < S * (kRow - 1) + K; e++) {
        const Vec v = load(x.at[i][e]);
#pragma GCC unroll 8
        for (int q = 0; q < kRow; q++)
          if (e - S * q >= 0 && e - S * q < K) acc[e - S * q] += g[q] * v;
      }
#pragma GCC unroll 8
      for (int t = 0; t < K; t++) store(to + t * channels, acc[t]);
    }
  });
}

template <class T>
using LastOutputs = void(const LastColumns<T>&, const T*, int, const T*, int64_t, int, int64_t, T*);
template <class T>
LastOutputs<T>* last_outputs_for(int64_t stride, int k) {
  if (stride == 2) return k == 3 ? &last_outputs<T, 2, 3> : &last_outputs<T, 2, 5>;
  switch (k) {
    case 1:
      return &last_outputs<T, 1, 1>;
    case 2:
      return &last_outputs<T, 1, 2>;
    case 3:
      return &last_outputs<T, 1, 3>;
    case 5:
      return &last_outputs<T, 1, 5>;
    default:
      return &last_outputs<T, 1, 7>;
  }
}

// Every position of y once: the passes have different residues.
template <class T>
void last_planes(const LastShape& s, int64_t stride, const LastPass<T>* passes, int count,
                 int64_t batch, const T* x, const T* bias, T* y) {
  const int64_t lines = ceil_div(s.out[0], s.out_step),
                per_line = s.out_step * s.out[1] * s.channels;
  parallel_for(batch * lines, max64(1, kGrain / per_line), [&](int64_t begin, int64_t end) {
    Workspace<T> zeros(s.channels);
    for (int64_t c = 0; c < s.channels; c++) zeros.data[c] = T(0);
    LastColumns<T> columns;
    for (int64_t item = begin; item < end; item++) {
      const int64_t image = item / lines, i = item % lines;
      for (int n = 0; n < count; n++) {
        const LastPass<T>& p = passes[n];
        if (i >= p.grid[0]) continue;
        auto* run = last_outputs_for<T>(stride, p.cols);
        const int width = int(stride) * (kRow - 1) + p.cols;
        T* line =
            y + ((image * s.out[0] + i * s.out_step + p.out_first[0]) * s.out[1] + p.out_first[1]) *
                    s.channels;
        for (int64_t j = 0; j < p.grid[1]; j += kRow) {
          columns.set(x + image * s.in[0] * s.in[1] * s.channels, s, i * stride + p.first[0],
                      j * stride + p.first[1], p.rows, width, zeros.data);
          run(columns, p.w, p.rows, bias, s.channels, int(min64(kRow, p.grid[1] - j)),
              s.out_step * s.channels, line + j * s.out_step * s.channels);
        }
      }
    }
  });
}

template <class T>
void conv_last_forward(const ConvParams& p, const T* x, const T* w, const T* bias, T* y) {
  const int k = int(p.kernel[1]), area = k * k;
  Workspace<T> taps(area * p.c);
  for (int t = 0; t < area; t++)
    for (int64_t c = 0; c < p.c; c++) taps.data[t * p.c + c] = w[c * area + t];
  const LastShape s{p.c, {p.in[1], p.in[2]}, {p.out[1], p.out[2]}, 1};
  const LastPass<T> pass{taps.data, k, k, {p.out[1], p.out[2]}, {-p.padding[1], -p.padding[2]},
                         {0, 0}};
  last_planes(s, p.stride[1], &pass, 1, p.batch, x, bias, y);
}

template <class T>
void conv_last_backward_input(const ConvParams& p, const T* dy, const T* w, T* dx) {
  const int64_t stride = p.stride[1], k = p.kernel[1];
  Workspace<T> taps(k * k * p.c);
  T* next = taps.data;
  LastPass<T> passes[4];
  int count = 0;
  for (int64_t r1 = 0; r1 < stride; r1++)
    for (int64_t r2 = 0; r2 < stride; r2++) {
      const Phase f[2] = {Phase(p, 1, r1), Phase(p, 2, r2)};
      if (!f[0].count || !f[1].count) continue;
      LastPass<T>& pass = passes[count++];
      pass.w = next, pass.rows = int(f[0].taps), pass.cols = int(f[1].taps);
      for (int d = 0; d < 2; d++) {
        pass.grid[d] = f[d].count, pass.out_first[d] = f[d].first;
        pass.first[d] = f[d].source + (f[d].taps - 1) * f[d].source_step;
      }
      // The source of a phase goes down with its taps, so they are turned round.
      for (int64_t i = f[0].taps - 1; i >= 0; i--)
        for (int64_t j = f[1].taps - 1; j >= 0; j--, next += p.c) {
          const int64_t at = (f[0].tap + i * f[0].tap_step) * k + f[1].tap + j * f[1].tap_step;
          for (int64_t c = 0; c < p.c; c++) next[c] = w[c * k * k + at];
        }
    }
  const LastShape s{p.c, {p.out[1], p.out[2]}, {p.in[1], p.in[2]}, stride};
  last_planes<T>(s, 1, passes, count, p.batch, dy, nullptr, dx);
}

// to[i] = sum over the slices of from[slice*n + i], in order.
template <class T>
MT_INLINE void add_slices(const T* from, int64_t slices, int64_t n, T* to) {
  for (int64_t i = 0; i < n; i++) to[i] = T(0);
  for (int64_t s = 0; s < slices; s++)
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) to[i] += from[s * n + i];
}
MT_INLINE int64_t last_slices(int64_t lines, int64_t line, int64_t channels) {
  return max64(1, min64(min64(lines, 64), lines * line * channels / kGrain));
}

template <class T, int S, int K>
void last_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  const LastShape s{p.c, {p.in[1], p.in[2]}, {p.out[1], p.out[2]}, 1};
  const int64_t lines = p.batch * p.out[1], size = K * K * p.c;
  const int64_t slices = last_slices(lines, p.out[2], p.c);
  Workspace<T> sums((slices + 1) * size);
  parallel_for(slices, 1, [&](int64_t begin, int64_t end) {
    Workspace<T> zeros(s.channels);
    for (int64_t c = 0; c < s.channels; c++) zeros.data[c] = T(0);
    LastColumns<T> columns;
    for (int64_t slice = begin; slice < end; slice++) {
      T* to = sums.data + slice * size;
      for (int64_t i = 0; i < size; i++) to[i] = T(0);
      for (int64_t line = lines * slice / slices; line < lines * (slice + 1) / slices; line++) {
        const int64_t image = line / p.out[1], i = line % p.out[1];
        for (int64_t j = 0; j < p.out[2]; j += kRow) {
          columns.set(x + image * p.in_size() * p.c, s, i * S - p.padding[1], j * S - p.padding[2],
                      K, S * (kRow - 1) + K, zeros.data);
          const T* g[kRow];
          for (int q = 0; q < kRow; q++)
            g[q] = j + q < p.out[2] ? dy + (line * p.out[2] + j + q) * p.c : zeros.data;
          last_dots<T, S, K>(columns, g, p.c, to);
        }
      }
    }
  });
  T* all = sums.data + slices * size;
  add_slices(sums.data, slices, size, all);
  for (int64_t c = 0; c < p.c; c++)
    for (int t = 0; t < K * K; t++) dw[c * K * K + t] = all[t * p.c + c];
}

template <class T>
void conv_last_backward_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  const bool strided = p.stride[1] == 2;
  auto* run = p.kernel[1] == 3   ? (strided ? &last_weight<T, 2, 3> : &last_weight<T, 1, 3>)
              : p.kernel[1] == 5 ? (strided ? &last_weight<T, 2, 5> : &last_weight<T, 1, 5>)
                                 : &last_weight<T, 1, 7>;
  run(p, dy, x, dw);
}

// db[c] = sum of dy[i, c] over n positions.
template <class T>
void conv_last_backward_bias(const T* dy, int64_t n, int64_t channels, T* db) {
  const int64_t slices = last_slices(n, 1, channels);
  Workspace<T> sums(slices * channels);
  parallel_for(slices, 1, [&](int64_t begin, int64_t end) {
    for (int64_t slice = begin; slice < end; slice++) {
      T* to = sums.data + slice * channels;
      for (int64_t c = 0; c < channels; c++) to[c] = T(0);
      for (int64_t i = n * slice / slices; i < n * (slice + 1) / slices; i++)
#pragma GCC ivdep
        for (int64_t c = 0; c < channels; c++) to[c] += dy[i * channels + c];
    }
  });
  add_slices(sums.data, slices, channels, db);
}

}  // namespace mt::cpu::MT_ISA
