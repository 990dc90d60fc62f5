// Convolution and its gradients as matrix products over patches, for any stride, padding, dilation
// and groups.
//   forward           y[o, (b, q)] = w[o, (c, t)] @ patches(x)[(c, t), (b, q)]
//   gradient of x     one product per residue of the position modulo the stride: in each, the taps
//                     that reach it are evenly spaced, and it is a forward product over dy
//                     (one product for all of them where patches tile the image)
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

// Patches that tile the image (stride == kernel, no padding): the gradient of x is one product
//   dx[(b, q), (c, t)] = dy[(b, q), o] @ w[o, (c, t)]
// whose rows go to the image in runs of a row of taps.
MT_INLINE bool tiled_patches(const ConvParams& p) {
  for (int d = 0; d < 3; d++)
    if (p.stride[d] != p.kernel[d] || p.padding[d] || (p.kernel[d] > 1 && p.dilation[d] != 1) ||
        p.in[d] != p.out[d] * p.stride[d])
      return false;
  return true;
}

template <class T>
struct StorePatches {
  const ConvParams& p;
  T* dx;  // of a group

  MT_INLINE bool direct(int64_t, int64_t, int, int, bool, bool, T**, int64_t*, bool*) const {
    return false;
  }
  MT_INLINE void finish(int64_t, int64_t, int, int) const {}
  void merge(int64_t i0, int64_t j0, int rows, int cols, const T* tile, bool first, bool) const {
    const int64_t size = p.out_size(), taps = p.taps();
    for (int r = 0; r < rows; r++) {
      const int64_t image = (i0 + r) / size, q = (i0 + r) % size, q2 = q % p.out[2];
      const int64_t q1 = q / p.out[2] % p.out[1], q0 = q / (p.out[2] * p.out[1]);
      for (int j = 0; j < cols;) {
        const int64_t c = (j0 + j) / taps, t = (j0 + j) % taps, t2 = t % p.kernel[2];
        const int64_t t1 = t / p.kernel[2] % p.kernel[1], t0 = t / (p.kernel[2] * p.kernel[1]);
        const int64_t run = min64(cols - j, p.kernel[2] - t2);
        T* to = dx + (image * p.c + c) * p.in_size() +
                ((q0 * p.stride[0] + t0) * p.in[1] + q1 * p.stride[1] + t1) * p.in[2] +
                q2 * p.stride[2] + t2;
        StoreImages<T>::put_run(tile + r * Tile<T>::NR + j, T(0), run, !first, to);
        j += int(run);
      }
    }
  }
};

template <class T>
void conv_tiled_backward_input(const ConvParams& p, const T* dy, const T* w, T* dx) {
  constexpr int MR = Tile<T>::MR;
  const int64_t o = p.o / p.groups, k = p.c / p.groups * p.taps(), size = p.out_size();
  for_groups(p, [&](int64_t g, bool serial) {
    const auto a = [&](int64_t k0, int64_t kc, int64_t i0, int rows, T* dst) {
      const T* from = dy + (g * o + k0) * size;
      if (i0 / size == (i0 + rows - 1) / size)
        return pack_contiguous<T, MR>(from + i0 / size * p.o * size + i0 % size, size, rows, kc,
                                      dst);
      for (int r = 0; r < MR; r++) {
        const int64_t i = min64(i0 + r, i0 + rows - 1);
        for (int64_t q = 0; q < kc; q++)
          dst[q * MR + r] = from[i / size * p.o * size + q * size + i % size];
      }
    };
    const PackStrided<T, Tile<T>::NR, T> b{w + g * o * k, 1, k};
    const StorePatches<T> store{p, dx + g * (p.c / p.groups) * p.in_size()};
    gemm_blocked<T>(p.batch * size, k, o, a, b, store, serial);
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
