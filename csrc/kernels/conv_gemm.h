// Convolution and its gradients as matrix products over patches, for any stride, padding, dilation
// and groups.
//   forward           y[o, (b, q)] = w[o, (c, t)] @ patches(x)[(c, t), (b, q)]
//   gradient of x     one product per residue of the position modulo the stride: in each, the taps
//                     that reach it are evenly spaced, and it is a forward product over dy
//   gradient of w     dw[o, (c, t)] = dy[o, (b, q)] @ patches(x)^T, long sums in slices
#pragma once
#include "kernels/conv_patch.h"

namespace mt::cpu::MT_ISA {

constexpr double kConvThreadedFlops = 1e6;  // below, waking a thread costs more than it saves

MT_INLINE double conv_flops(const ConvParams& p) {
  return 2.0 * double(p.batch) * double(p.o) * double(p.out_size()) * double(p.c / p.groups) *
         double(p.taps());
}

// f(group, serial): groups side by side where each is small.
template <class F>
void for_groups(const ConvParams& p, const F& f) {
  const double flops = conv_flops(p) / double(p.groups);
  const bool light = flops < kConvThreadedFlops;
  if (p.groups > 1 && (light || p.groups >= 8)) {
    const int64_t grain = max64(1, int64_t(kConvThreadedFlops / 4 / (flops + 1)));
    parallel_for(p.groups, grain, [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; g++) f(g, true);
    });
  } else {
    for (int64_t g = 0; g < p.groups; g++) f(g, light);
  }
}

template <class T>
Patches<T> forward_patches(const ConvParams& p, const T* x, int64_t group) {
  Patches<T> m;
  m.channel_stride = p.in_size();
  m.image_stride = p.c * m.channel_stride;
  m.src = x + group * (p.c / p.groups) * m.channel_stride;
  for (int d = 0; d < 3; d++) {
    m.in[d] = p.in[d], m.grid[d] = p.out[d], m.taps[d] = p.kernel[d];
    m.step[d] = p.stride[d], m.first[d] = -p.padding[d], m.tap_step[d] = p.dilation[d];
  }
  // A 1x1 kernel reads the image as it lies.
  bool flat = true;
  for (int d = 0; d < 3; d++)
    flat = flat && p.kernel[d] == 1 && p.stride[d] == 1 && p.padding[d] == 0 && p.in[d] == p.out[d];
  if (flat) {
    m.in[2] = m.grid[2] = p.in_size();
    m.in[0] = m.in[1] = m.grid[0] = m.grid[1] = 1;
  }
  return m;
}

template <class T>
void conv_gemm_forward(const ConvParams& p, const T* x, const T* w, const T* bias, T* y) {
  const int64_t o = p.o / p.groups, k = p.c / p.groups * p.taps(), size = p.out_size();
  for_groups(p, [&](int64_t g, bool serial) {
    PackStrided<T, Tile<T>::MR, T> a{w + g * o * k, k, 1};
    PackPatches<T> b{forward_patches(p, x, g)};
    StoreImages<T> store{y + g * o * size, p.o * size, size};
    for (int d = 0; d < 3; d++) store.grid[d] = p.out[d];
    store.bias = bias ? bias + g * o : nullptr;
    store.dense = true;
    gemm_blocked<T>(o, p.batch * size, k, a, b, store, serial);
  });
}

MT_INLINE int64_t gcd64(int64_t a, int64_t b) {
  while (b) {
    const int64_t t = a % b;
    a = b, b = t;
  }
  return a;
}

// In one dim, the positions i of the input with (i + padding) % stride == residue.
struct Phase {
  int64_t first, count;         // positions first + q*stride
  int64_t tap, tap_step, taps;  // kernel elements that reach them
  int64_t source, source_step;  // element t reads dy at q + source + t*source_step

  Phase(const ConvParams& p, int d, int64_t residue) {
    const int64_t s = p.stride[d], dilation = p.dilation[d], common = gcd64(s, dilation);
    first = ((residue - p.padding[d]) % s + s) % s;
    count = p.in[d] > first ? ceil_div(p.in[d] - first, s) : 0;
    tap_step = s / common;
    tap = 0;
    while (tap < tap_step && tap * dilation % s != residue) tap++;
    taps = tap < tap_step && tap < p.kernel[d] ? ceil_div(p.kernel[d] - tap, tap_step) : 0;
    source = (first + p.padding[d] - residue) / s - (taps ? (tap * dilation - residue) / s : 0);
    source_step = -(dilation / common);
  }
};

template <class T>
void conv_gemm_backward_input(const ConvParams& p, const T* dy, const T* w, const T* bias, T* dx) {
  const int64_t o = p.o / p.groups, c = p.c / p.groups, taps = p.taps();
  const int64_t in = p.in_size(), out = p.out_size();
  for_groups(p, [&](int64_t g, bool serial) {
    for (int64_t r0 = 0; r0 < p.stride[0]; r0++)
      for (int64_t r1 = 0; r1 < p.stride[1]; r1++)
        for (int64_t r2 = 0; r2 < p.stride[2]; r2++) {
          const Phase phase[3] = {Phase(p, 0, r0), Phase(p, 1, r1), Phase(p, 2, r2)};
          if (!phase[0].count || !phase[1].count || !phase[2].count) continue;
          PackFlipped<T> a{w + g * o * c * taps, c * taps, taps};
          PackPatches<T> b;
          b.m.src = dy + g * o * out;
          b.m.image_stride = p.o * out, b.m.channel_stride = out;
          StoreImages<T> store{dx + g * c * in, p.c * in, in};
          store.bias = bias ? bias + g * c : nullptr;
          store.dense = true;
          bool flat = true;
          for (int d = 0; d < 3; d++) {
            const Phase& f = phase[d];
            a.taps[d] = b.m.taps[d] = f.taps;
            a.first[d] = f.tap, a.step[d] = f.tap_step, a.kernel[d] = p.kernel[d];
            b.m.in[d] = p.out[d], b.m.grid[d] = store.grid[d] = f.count;
            b.m.step[d] = 1, b.m.first[d] = f.source, b.m.tap_step[d] = f.source_step;
            store.size[d] = p.in[d], store.step[d] = p.stride[d], store.first[d] = f.first;
            store.dense = store.dense && p.stride[d] == 1;
            flat = flat && f.taps == 1 && f.source == 0 && f.count == p.out[d];
          }
          if (flat) {
            b.m.in[2] = b.m.grid[2] = out;
            b.m.in[0] = b.m.in[1] = b.m.grid[0] = b.m.grid[1] = 1;
          }
          const int64_t n = p.batch * store.grid_size();
          gemm_blocked<T>(c, n, o * b.m.tap_count(), a, b, store, serial);
        }
  });
}

template <class T>
void conv_gemm_backward_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  const int64_t o = p.o / p.groups, k = p.c / p.groups * p.taps(), size = p.out_size();
  const int64_t depth = p.batch * size;
  for_groups(p, [&](int64_t g, bool serial) {
    const PackImages<T> a{dy + g * o * size, p.o * size, size};
    const PackPatchesTransposed<T> b{forward_patches(p, x, g)};
    T* to = dw + g * o * k;
    const int64_t slices = o * k > 128 * 128 ? 1 : max64(1, min64(16, depth / 2048));
    if (slices == 1) {
      gemm_blocked<T>(o, k, depth, a, b, StoreRows<T>{to, k}, serial);
      return;
    }
    const int64_t part = ceil_div(depth, slices);
    Workspace<T> sums(slices * o * k);
    for_tasks(serial, slices, 1, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; s++) {
        const int64_t p0 = s * part, n = max64(0, min64(part, depth - p0));
        gemm_blocked<T>(
            o, k, n,
            [&](int64_t k0, int64_t kc, int64_t i0, int rows, T* dst) {
              a(p0 + k0, kc, i0, rows, dst);
            },
            [&](int64_t k0, int64_t kc, int64_t j0, int cols, T* dst) {
              b(p0 + k0, kc, j0, cols, dst);
            },
            StoreRows<T>{sums.data + s * o * k, k}, true);
      }
    });
    for (int64_t i = 0; i < o * k; i++) {
      T sum = T(0);
      for (int64_t s = 0; s < slices; s++) sum += sums.data[s * o * k + i];
      to[i] = sum;
    }
  });
}

}  // namespace mt::cpu::MT_ISA
