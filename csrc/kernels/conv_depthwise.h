// Depthwise convolution: one image channel per group, square kernels of 3, 5 and 7, strides 1 and
// 2. Bound by loads and memory, not by arithmetic: a plane is copied with its padding into L1, for
// stride 2 with even and odd columns apart, and several rows of outputs share each load of a row.
// Forward, gradient of the input (the taps turned round; for stride 2 even and odd columns from
// their own taps) and gradient of the weight (a dot per tap, in registers over a whole plane).
#pragma once
#include "kernels/conv_rows.h"

namespace mt::cpu::MT_ISA {

// Rows of a padded plane; for stride 2 the odd columns of a row lie `half` behind the even ones.
template <class T, int S>
struct PaddedPlane {
  int64_t rows, half, pitch;
  PaddedPlane(int64_t out_rows, int64_t out_cols, int k)
      : rows(S * (out_rows - 1) + k), half(round_up(out_cols + (k - 1) / S, 8)), pitch(S * half) {}
  int64_t size() const { return rows * pitch + Tile<T>::VL; }
  int64_t offset(int t) const { return t % S * half + t / S; }

  // Only the frame of zeros, which stays while planes come and go.
  void clear(T* dst) const {
    for (int64_t i = 0; i < size(); i++) dst[i] = T(0);
  }
  // pad: before the first element, negative to leave elements out.
  void fill(const T* plane, int64_t h, int64_t w, int64_t pad_h, int64_t pad_w, T* dst) const {
    const int64_t last = min64(h, rows - pad_h);
    for (int64_t i = max64(0, -pad_h); i < last; i++)
      for (int f = 0; f < S; f++) {
        const int64_t skip = max64(0, ceil_div(pad_w - f, S)), start = S * skip + f - pad_w;
        const int64_t n = min64(half - skip, ceil_div(w - start, S));
        if (n > 0)
          copy_strided(plane + i * w + start, S, n, dst + (i + pad_h) * pitch + f * half + skip);
      }
  }
};

// R rows of outputs of one plane.
template <class T, int S, int K, int R>
MT_INLINE void depthwise_rows(const T* x, const PaddedPlane<T, S>& frame, const T* w, T bias,
                              int64_t cols, T* y) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL;
  for (int64_t j = 0; j < cols; j += VL) {
    Vec acc[R];
#pragma GCC unroll 4
    for (int q = 0; q < R; q++) acc[q] = bias - Vec{};
#pragma GCC unroll 12
    for (int i = 0; i < S * (R - 1) + K; i++) {
#pragma GCC unroll 7
      for (int t = 0; t < K; t++) {
        const Vec v = load_unaligned<Vec>(x + i * frame.pitch + j + frame.offset(t));
#pragma GCC unroll 4
        for (int q = 0; q < R; q++)
          if (i - S * q >= 0 && i - S * q < K) acc[q] += w[(i - S * q) * K + t] * v;
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
template <class T, int S, int K>
void depthwise_planes(int64_t batch, int64_t channels, int64_t multiplier, const int64_t* in,
                      const int64_t* out, const int64_t* pad, bool turned, const T* x, const T* w,
                      const T* bias, T* y) {
  constexpr int R = K == 5 ? 2 : 4;
  const PaddedPlane<T, S> frame(out[0], out[1], K);
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
        depthwise_rows<T, S, K, R>(copy.data + S * r * frame.pitch, frame, taps, b, out[1],
                                   to + r * out[1]);
      for (; r < out[0]; r++)
        depthwise_rows<T, S, K, 1>(copy.data + S * r * frame.pitch, frame, taps, b, out[1],
                                   to + r * out[1]);
    }
  });
}

// A row of the gradient of the input for stride 2: element 2m + f is the sum of w[i, t] * g[m -
// t/2] over the taps with t % 2 == f. g: the rows of dy for i = first, first + 2, .., at `back`
// elements of padding.
template <class T, int K>
MT_INLINE void depthwise_spread(const T* g, int64_t pitch, int64_t back, const T* w, int first,
                                T bias, int64_t count, T* line) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL;
  for (int64_t m = 0; m < count; m += VL) {
    Vec sum[2] = {bias - Vec{}, bias - Vec{}};
    for (int i = first; i < K; i += 2) {
      const T* row = g - i / 2 * pitch + back + m;
#pragma GCC unroll 5
      for (int t = 0; t < K; t++) sum[t & 1] += w[i * K + t] * load_unaligned<Vec>(row - t / 2);
    }
    store_unaligned(line + 2 * m, zip_half<T>(sum[0], sum[1], 0));
    store_unaligned(line + 2 * m + VL, zip_half<T>(sum[0], sum[1], 1));
  }
}

template <class T, int K>
void depthwise_input2(const ConvParams& p, const T* dy, const T* w, const T* bias, T* dx) {
  constexpr int64_t back = K / 2;
  const int64_t count = (p.in[2] + p.padding[2] + 1) / 2, height = (p.in[1] + p.padding[1] + 1) / 2;
  const PaddedPlane<T, 1> frame(height + back, count + back, 1);
  parallel_for(
      p.batch * p.c, max64(1, kGrain / (p.in_size() * 3)), [&](int64_t begin, int64_t end) {
        Workspace<T> copy(frame.size()), line(2 * round_up(count, Tile<T>::VL));
        frame.clear(copy.data);
        for (int64_t i = begin; i < end; i++) {
          const int64_t c = i % p.c;
          frame.fill(dy + i * p.out_size(), p.out[1], p.out[2], back, back, copy.data);
          for (int64_t r = 0; r < p.in[1]; r++) {
            const int64_t q = r + p.padding[1];
            depthwise_spread<T, K>(copy.data + (q / 2 + back) * frame.pitch, frame.pitch, back,
                                   w + c * K * K, int(q % 2), bias ? bias[c] : T(0), count,
                                   line.data);
            copy_strided(line.data + p.padding[2], 1, p.in[2], dx + i * p.in_size() + r * p.in[2]);
          }
        }
      });
}

// R rows of dy against K taps of each of K rows of x.
template <class T, int S, int K, int R>
MT_INLINE void depthwise_dots(const T* x, const PaddedPlane<T, S>& frame, const T* dy, int64_t cols,
                              GemmVec<T>* acc) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL;
  for (int64_t j = 0; j < cols; j += VL) {
    const int lanes = int(min64(VL, cols - j));
    Vec g[R];
#pragma GCC unroll 2
    for (int q = 0; q < R; q++) g[q] = load_lanes<T>(dy + q * cols + j, lanes);
#pragma GCC unroll 8
    for (int i = 0; i < S * (R - 1) + K; i++) {
#pragma GCC unroll 5
      for (int t = 0; t < K; t++) {
        const Vec v = load_unaligned<Vec>(x + i * frame.pitch + j + frame.offset(t));
#pragma GCC unroll 2
        for (int q = 0; q < R; q++)
          if (i - S * q >= 0 && i - S * q < K) acc[(i - S * q) * K + t] += g[q] * v;
      }
    }
  }
}

template <class T, int S, int K>
void depthwise_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  using Vec = GemmVec<T>;
  constexpr int R = K == 3 ? 2 : 1, VL = Tile<T>::VL;
  const PaddedPlane<T, S> frame(p.out[1], p.out[2], K);
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
          depthwise_dots<T, S, K, R>(copy.data + S * r * frame.pitch, frame, g + r * p.out[2],
                                     p.out[2], acc);
        for (; r < p.out[1]; r++)
          depthwise_dots<T, S, K, 1>(copy.data + S * r * frame.pitch, frame, g + r * p.out[2],
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
  const bool strided = p.stride[1] == 2;
  auto* run = p.kernel[1] == 3 ? (strided ? &depthwise_planes<T, 2, 3> : &depthwise_planes<T, 1, 3>)
              : p.kernel[1] == 5
                  ? (strided ? &depthwise_planes<T, 2, 5> : &depthwise_planes<T, 1, 5>)
                  : &depthwise_planes<T, 1, 7>;
  run(p.batch, p.o, p.o / p.c, p.in + 1, p.out + 1, p.padding + 1, false, x, w, bias, y);
}

// For one output channel per group.
template <class T>
void conv_depthwise_backward_input(const ConvParams& p, const T* dy, const T* w, const T* bias,
                                   T* dx) {
  if (p.stride[1] == 2) {
    auto* run = p.kernel[1] == 3 ? &depthwise_input2<T, 3> : &depthwise_input2<T, 5>;
    return run(p, dy, w, bias, dx);
  }
  auto* run = p.kernel[1] == 3   ? &depthwise_planes<T, 1, 3>
              : p.kernel[1] == 5 ? &depthwise_planes<T, 1, 5>
                                 : &depthwise_planes<T, 1, 7>;
  const int64_t pad[2] = {p.kernel[1] - 1 - p.padding[1], p.kernel[2] - 1 - p.padding[2]};
  run(p.batch, p.c, 1, p.out + 1, p.in + 1, pad, true, dy, w, bias, dx);
}

// For kernels of 3 and 5.
template <class T>
void conv_depthwise_backward_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  const bool strided = p.stride[1] == 2;
  auto* run = p.kernel[1] == 3
                  ? (strided ? &depthwise_weight<T, 2, 3> : &depthwise_weight<T, 1, 3>)
                  : (strided ? &depthwise_weight<T, 2, 5> : &depthwise_weight<T, 1, 5>);
  run(p, dy, x, dw);
}

}  // namespace mt::cpu::MT_ISA
