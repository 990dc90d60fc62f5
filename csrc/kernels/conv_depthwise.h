// Depthwise convolution: one image channel per group, small square kernels, stride 1. Bound by
// loads and memory, not by arithmetic: a plane is copied with its padding into L1, and several rows
// of outputs share each load of a row. Forward, gradient of the input (the taps turned round) and
// gradient of the weight (a dot per tap, kept in registers over a whole plane).
#pragma once
#include "kernels/conv_rows.h"

namespace mt::cpu::MT_ISA {

// Kernel size that has its own code, or 0.
MT_INLINE int depthwise_size(const ConvParams& p) {
  const int64_t k = p.kernel[1];
  if (p.c != p.groups || p.kernel[0] != 1 || p.in[0] != 1 || p.padding[0] != 0) return 0;
  for (int d = 1; d < 3; d++)
    if (p.stride[d] != 1 || p.dilation[d] != 1 || p.kernel[d] != k || p.padding[d] >= k) return 0;
  return p.out[2] >= 8 && (k == 3 || k == 5) ? int(k) : 0;
}

template <class T>
struct PaddedPlane {
  int64_t rows, pitch;
  PaddedPlane(int64_t out_rows, int64_t out_cols, int k)
      : rows(out_rows + k - 1), pitch(round_up(out_cols + k - 1, 8)) {}
  int64_t size() const { return rows * pitch + Tile<T>::VL; }

  // Only the frame of zeros, which stays while planes come and go.
  void clear(T* dst) const {
    for (int64_t i = 0; i < size(); i++) dst[i] = T(0);
  }
  void fill(const T* plane, int64_t h, int64_t w, int64_t pad_h, int64_t pad_w, T* dst) const {
    using Vec = GemmVec<T>;
    constexpr int VL = Tile<T>::VL;
    const int64_t last = min64(h, rows - pad_h), n = min64(w, pitch - pad_w);
    for (int64_t i = 0; i < last; i++) {
      const T* from = plane + i * w;
      T* to = dst + (i + pad_h) * pitch + pad_w;
      int64_t j = 0;
      for (; j + VL <= n; j += VL) store_unaligned(to + j, load_unaligned<Vec>(from + j));
      if (j < n) store_lanes<T>(to + j, load_lanes<T>(from + j, int(n - j)), int(n - j));
    }
  }
};

// R rows of outputs of one plane.
template <class T, int K, int R>
MT_INLINE void depthwise_rows(const T* x, int64_t pitch, const T* w, T bias, int64_t cols, T* y) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL;
  for (int64_t j = 0; j < cols; j += VL) {
    Vec acc[R];
#pragma GCC unroll 4
    for (int q = 0; q < R; q++) acc[q] = bias - Vec{};
#pragma GCC unroll 8
    for (int i = 0; i < R + K - 1; i++) {
#pragma GCC unroll 5
      for (int t = 0; t < K; t++) {
        const Vec v = load_unaligned<Vec>(x + i * pitch + j + t);
#pragma GCC unroll 4
        for (int q = 0; q < R; q++)
          if (i - q >= 0 && i - q < K) acc[q] += w[(i - q) * K + t] * v;
      }
    }
    const int lanes = int(min64(VL, cols - j));
#pragma GCC unroll 4
    for (int q = 0; q < R; q++) {
      if (lanes == VL) {
        store_unaligned(y + q * cols + j, acc[q]);
      } else {
        store_lanes<T>(y + q * cols + j, acc[q], lanes);
      }
    }
  }
}

// y[plane] from x[plane / multiplier], taps in order or turned round.
template <class T, int K>
void depthwise_planes(int64_t batch, int64_t channels, int64_t multiplier, const int64_t* in,
                      const int64_t* out, const int64_t* pad, bool turned, const T* x, const T* w,
                      const T* bias, T* y) {
  constexpr int R = K == 3 ? 4 : 2;
  const PaddedPlane<T> frame(out[0], out[1], K);
  const int64_t work = out[0] * out[1] * K, grain = max64(1, kGrain / work);
  parallel_for(batch * channels, grain, [&](int64_t begin, int64_t end) {
    Workspace<T> copy(frame.size());
    frame.clear(copy.data);
    for (int64_t i = begin; i < end; i++) {
      const int64_t c = i % channels;
      T taps[K * K];
      for (int t = 0; t < K * K; t++) taps[t] = w[c * K * K + (turned ? K * K - 1 - t : t)];
      frame.fill(x + i / multiplier * in[0] * in[1], in[0], in[1], pad[0], pad[1], copy.data);
      T* to = y + i * out[0] * out[1];
      const T b = bias ? bias[c] : T(0);
      int64_t r = 0;
      for (; r + R <= out[0]; r += R)
        depthwise_rows<T, K, R>(copy.data + r * frame.pitch, frame.pitch, taps, b, out[1],
                                to + r * out[1]);
      for (; r < out[0]; r++)
        depthwise_rows<T, K, 1>(copy.data + r * frame.pitch, frame.pitch, taps, b, out[1],
                                to + r * out[1]);
    }
  });
}

// R rows of dy against K taps of each of K rows of x.
template <class T, int K, int R>
MT_INLINE void depthwise_dots(const T* x, int64_t pitch, const T* dy, int64_t cols,
                              GemmVec<T>* acc) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL;
  for (int64_t j = 0; j < cols; j += VL) {
    const int lanes = int(min64(VL, cols - j));
    Vec g[R];
#pragma GCC unroll 2
    for (int q = 0; q < R; q++) g[q] = load_lanes<T>(dy + q * cols + j, lanes);
#pragma GCC unroll 8
    for (int i = 0; i < R + K - 1; i++) {
#pragma GCC unroll 5
      for (int t = 0; t < K; t++) {
        const Vec v = load_unaligned<Vec>(x + i * pitch + j + t);
#pragma GCC unroll 2
        for (int q = 0; q < R; q++)
          if (i - q >= 0 && i - q < K) acc[(i - q) * K + t] += g[q] * v;
      }
    }
  }
}

template <class T, int K>
void depthwise_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  using Vec = GemmVec<T>;
  constexpr int R = K == 3 ? 2 : 1, VL = Tile<T>::VL;
  const PaddedPlane<T> frame(p.out[1], p.out[2], K);
  const int64_t multiplier = p.o / p.c, work = p.out_size() * K * p.batch;
  parallel_for(p.o, max64(1, kGrain / max64(1, work)), [&](int64_t begin, int64_t end) {
    Workspace<T> copy(frame.size());
    frame.clear(copy.data);
    for (int64_t o = begin; o < end; o++) {
      Vec acc[K * K] = {};
      for (int64_t b = 0; b < p.batch; b++) {
        frame.fill(x + (b * p.c + o / multiplier) * p.in_size(), p.in[1], p.in[2], p.padding[1],
                   p.padding[2], copy.data);
        const T* g = dy + (b * p.o + o) * p.out_size();
        int64_t r = 0;
        for (; r + R <= p.out[1]; r += R)
          depthwise_dots<T, K, R>(copy.data + r * frame.pitch, frame.pitch, g + r * p.out[2],
                                  p.out[2], acc);
        for (; r < p.out[1]; r++)
          depthwise_dots<T, K, 1>(copy.data + r * frame.pitch, frame.pitch, g + r * p.out[2],
                                  p.out[2], acc);
      }
      for (int t = 0; t < K * K; t++) {
        T lanes[VL];
        store_unaligned(lanes, acc[t]);
        for (int step = VL / 2; step > 0; step /= 2)
          for (int v = 0; v < step; v++) lanes[v] += lanes[v + step];
        dw[o * K * K + t] = lanes[0];
      }
    }
  });
}

template <class T>
void conv_depthwise_forward(const ConvParams& p, const T* x, const T* w, const T* bias, T* y) {
  auto* run = p.kernel[1] == 3 ? &depthwise_planes<T, 3> : &depthwise_planes<T, 5>;
  run(p.batch, p.o, p.o / p.c, p.in + 1, p.out + 1, p.padding + 1, false, x, w, bias, y);
}

// For one output channel per group.
template <class T>
void conv_depthwise_backward_input(const ConvParams& p, const T* dy, const T* w, const T* bias,
                                   T* dx) {
  auto* run = p.kernel[1] == 3 ? &depthwise_planes<T, 3> : &depthwise_planes<T, 5>;
  const int64_t pad[2] = {p.kernel[1] - 1 - p.padding[1], p.kernel[2] - 1 - p.padding[2]};
  run(p.batch, p.c, 1, p.out + 1, p.in + 1, pad, true, dy, w, bias, dx);
}

template <class T>
void conv_depthwise_backward_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  if (p.kernel[1] == 3) return depthwise_weight<T, 3>(p, dy, x, dw);
  depthwise_weight<T, 5>(p, dy, x, dw);
}

}  // namespace mt::cpu::MT_ISA
