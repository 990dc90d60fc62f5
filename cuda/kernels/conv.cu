// Convolution as products of matrices whose patches are gathered while they are loaded
// (conv_gather.cuh, gemm_simt.cuh); per group:
//   forward   y[o][b q]  = sum over c t of w[o][c t] x[b c, q s + t l - p]
//   input     dx[c][b i] = sum over o t of w[o][c t] dy[b o, (i + p - t l) / s]: positions i of
//   equal
//             residue modulo the stride see the same taps, so each class of them is a product
//   weight    dw[o][c t] = sum over b q of dy[b o q] x[b c, q s + t l - p]
// 16-bit floats, and float32 where TF32 is allowed, go to the tensor cores (conv_tensor_core.cu).
// Kernels of one tap are products as they stand; one or two channels per group go element by
// element (conv_direct.cu). All sums are in a fixed order.
#include "ops/conv.h"

#include "cuda/core/scratch.h"
#include "cuda/kernels/conv_direct.h"
#include "cuda/kernels/conv_gather.cuh"
#include "cuda/kernels/conv_tensor_core.h"
#include "cuda/kernels/gemm_tensor_core.h"

namespace mt::cuda {
namespace {

// --- tap lists and weights in their order

// weights [classes][groups][m][row] and taps [classes][row] in the order of k: tap, channel.
template <class T>
__global__ void __launch_bounds__(kThreads)
    prepare_kernel(const ClassRule p, int row, const T* __restrict__ w, T* __restrict__ weights,
                   Tap* __restrict__ taps, int* __restrict__ depth) {
  const int64_t all = int64_t(p.classes) * p.groups * p.m * row;
  for (int64_t at = thread_index(); at < all; at += thread_count()) {
    const int k = int(at % row);
    int64_t rest = at / row;
    const int m = int(rest % p.m);
    rest /= p.m;
    const int g = int(rest % p.groups);
    const int list = int(rest / p.groups);
    const ClassTaps class_taps(p, list);
    const int used = class_taps.all() * p.channels;
    const int channel = k % p.channels;
    Tap tap = {0, {kNoTap, kNoTap, kNoTap}};
    int64_t weight = -1;
    if (k < used) {
      const int t = class_taps.tap(p, k / p.channels, &tap);
      tap.offset = channel * p.size[0] * p.size[1] * p.size[2] +
                   (tap.d[0] * p.size[1] + tap.d[1]) * p.size[2] + tap.d[2];
      weight = g * p.w_group + m * p.w_m + channel * p.w_channel + t;
    }
    weights[at] = weight >= 0 ? w[weight] : T(0);
    if (g == 0 && m == 0) {
      taps[int64_t(list) * row + k] = tap;
      if (k == 0) depth[list] = used;
    }
  }
}

// taps [c][t] of the weight's gradient, whose columns are in w's order.
__global__ void __launch_bounds__(kThreads)
    weight_taps_kernel(const ClassRule p, int n, Tap* __restrict__ taps) {
  const int at = int(blockIdx.x * kThreads + threadIdx.x);
  if (at >= n) return;
  int rest = at;
  Tap tap;
  for (int d = 2; d >= 0; d--) {
    tap.d[d] = rest % p.kernel[d] * p.dilation[d];
    rest /= p.kernel[d];
  }
  tap.offset = rest * p.size[0] * p.size[1] * p.size[2] +
               (tap.d[0] * p.size[1] + tap.d[1]) * p.size[2] + tap.d[2];
  taps[at] = tap;
}

void check_sizes(const ConvParams& p) {
  constexpr int64_t kMost = 0x7fffffff;
  const int64_t cg = p.c / p.groups, og = p.o / p.groups;
  MT_CHECK(cg * p.in_size() <= kMost && og * p.out_size() <= kMost &&
               (cg > og ? cg : og) * p.taps() <= kMost / 2 &&
               p.stride[0] * p.stride[1] * p.stride[2] * p.groups <= kMost,
           "conv: more than 2^31 elements of one image or filter on cuda");
}

// f(first, count) for as many images at once as `positions` of each leave below 2^31.
template <class F>
void for_images(int64_t batch, int64_t positions, const F& f) {
  int64_t most = 0x7fffffff / (positions > 0 ? positions : 1);
  if (most < 1) most = 1;
  for (int64_t first = 0; first < batch; first += most)
    f(first, batch - first < most ? batch - first : most);
}

template <class T, class S>
void run_gather(const ClassRule& rule, int64_t positions, int64_t k, const MatrixSource<T>& a,
                const PatchSource<T>& b, const ImageStore<T>& store) {
  run_tiles<S, LoadRowsA<T, S, Access::along_k>, PatchLoader<T, S>>(
      rule.m, positions, k, int64_t(rule.classes) * rule.groups, a, b, store);
}

// y (or dx, where rule.backward) from the images `x` (dy).
template <class T>
void gather(const ConvParams& p, bool backward, const T* x, const T* w, const T* bias, T* y) {
  check_sizes(p);
  const int64_t* from = backward ? p.out : p.in;
  const int64_t* to = backward ? p.in : p.out;
  const ClassRule rule = make_rule(p, backward);
  PatchSource<T> source;
  ImageStore<T> store;
  for (int d = 0; d < 3; d++) {
    source.images.size[d] = int(from[d]);
    source.images.positions.size[d] = store.positions.size[d] =
        Divider(uint32_t(ceil_div(to[d], rule.residues[d])));
    source.images.step[d] = backward ? 1 : int(p.stride[d]);
    source.images.shift[d] = backward ? 0 : -int(p.padding[d]);
    store.size[d] = int(to[d]);
    store.step[d] = rule.residues[d];
  }
  const int64_t k = rule.most_taps * rule.channels, per_image = rule.per_image;
  const int row = int(ceil_div(k, 4) * 4);
  const int64_t rows = int64_t(rule.classes) * rule.groups * rule.m;
  const Scratch weights(size_t(rows * row) * sizeof(T));
  const Scratch taps(size_t(rule.classes) * size_t(row) * sizeof(Tap));
  const Scratch depth(size_t(rule.classes) * sizeof(int));
  MT_LAUNCH((prepare_kernel<T>), grid_for(rows * row, kThreads, 1 << 16), kThreads, 0, stream(),
            rule, row, w, weights.as<T>(), taps.as<Tap>(), depth.as<int>());

  const MatrixSource<T> a{weights.as<const T>(), int64_t(rule.m) * row, row, 1, rule.m, true};
  source.images.image = rule.groups * rule.channels * (from[0] * from[1] * from[2]);
  source.images.group = rule.channels * (from[0] * from[1] * from[2]);
  source.taps = taps.as<const Tap>();
  source.depth = depth.as<const int>();
  source.row = row;
  source.groups = store.groups = Divider(uint32_t(rule.groups));
  store.bias = bias;
  store.plane = to[0] * to[1] * to[2];
  store.channels = rule.m;
  store.image = store.plane * rule.m * rule.groups;
  store.vector = rule.classes == 1 && store.plane % (16 / int64_t(sizeof(T))) == 0 &&
                 reinterpret_cast<uintptr_t>(y) % 16 == 0;
  for_images(p.batch, per_image, [&](int64_t first, int64_t count) {
    source.images.data = x + first * source.images.image;
    source.extent = count * per_image;
    store.y = y + first * store.image;
    switch (tile_size<T>(rule.m, source.extent, int64_t(rule.classes) * rule.groups)) {
      case TileSize::large:
      case TileSize::wide:
        return run_gather<T, typename Tiles<T>::Wide>(rule, source.extent, k, a, source, store);
      case TileSize::medium:
        return run_gather<T, typename Tiles<T>::Medium>(rule, source.extent, k, a, source, store);
      case TileSize::small:
        return run_gather<T, typename Tiles<T>::Small>(rule, source.extent, k, a, source, store);
    }
  });
}

// One tap at every position: y[b] = w x[b], or its transpose, and where channels are innermost one
// product y = x w^T. Planes long enough to fill tiles; of 16-bit elements also aligned, others are
// packed better by conv_tensor_core.
template <class T>
bool is_product(const ConvParams& p) {
  if (!conv_is_product(p)) return false;
  if (p.last) return true;
  // gemm() would round float32 where matrix products may.
  if (dtype_of<T>::value == DType::Float32 && !p.tf32 && allow_tf32()) return false;
  return p.in_size() >= 128 && p.in_size() * int64_t(sizeof(T)) % 16 == 0;
}
void run_product(const ConvParams& p, const GemmArgs& g) {
  if (g.m == 1 || g.n == 1 || !gemm_tensor_core(g, p.tf32, stream())) gemm(g);
}
template <class T>
void product(const ConvParams& p, bool backward, const T* x, const T* w, const T* bias, T* y) {
  const int64_t n = p.in_size(), m = backward ? p.c : p.o, k = backward ? p.o : p.c;
  GemmArgs g{.dtype = dtype_of<T>::value, .batch = p.batch, .m = m, .n = n, .k = k};
  g.a = w, g.a_row = backward ? 1 : p.c, g.a_col = backward ? p.c : 1;
  g.b = x, g.b_batch = k * n, g.b_row = n, g.b_col = 1;
  g.c = y, g.c_batch = m * n, g.c_row = n;
  g.bias = bias, g.bias_per_row = true;
  if (p.last) {
    g.batch = 1, g.m = p.batch * n, g.n = m;
    g.b = w, g.b_row = g.a_col, g.b_col = g.a_row;
    g.a = x, g.a_row = k, g.a_col = 1;
    g.c_row = m, g.bias_per_row = false;
  }
  run_product(p, g);
}
// dw[o][c] = sum over positions of dy[j][o] x[j][c]
template <class T>
void product_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  GemmArgs g{.dtype = dtype_of<T>::value, .m = p.o, .n = p.c, .k = p.batch * p.in_size()};
  g.a = dy, g.a_row = 1, g.a_col = p.o;
  g.b = x, g.b_row = p.c, g.b_col = 1;
  g.c = dw, g.c_row = p.c;
  run_product(p, g);
}

// y (or dx, where backward) from x (dy).
template <class T>
void sum_patches(const ConvParams& p, bool backward, const T* x, const T* w, const T* bias, T* y) {
  if (p.batch == 0) return;
  if (is_product<T>(p)) return product(p, backward, x, w, bias, y);
  if constexpr (sizeof(T) <= 4)
    if (conv_on_tensor_cores(dtype_of<T>::value, p))
      return conv_tensor_core<T>(p, backward, x, w, bias, y);
  if (conv_is_direct(p)) return conv_direct(p, backward, x, w, bias, y);
  if constexpr (sizeof(T) >= 4) gather(p, backward, x, w, bias, y);
}

template <class T, class S>
void run_weight(int64_t m, int64_t n, int64_t k, int64_t groups, const PlaneSource<T>& a,
                const TapSource<T>& b, const MatrixStore<T, T>& store) {
  run_tiles<S, PlaneLoader<T, S>, TapLoader<T, S>>(m, n, k, groups, a, b, store);
}

template <class T>
void gather_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  check_sizes(p);
  const int64_t cg = p.c / p.groups, og = p.o / p.groups, n = cg * p.taps();
  ClassRule rule;
  TapSource<T> b;
  for (int d = 0; d < 3; d++) {
    rule.kernel[d] = int(p.kernel[d]), rule.dilation[d] = int(p.dilation[d]);
    rule.size[d] = b.images.size[d] = int(p.in[d]);
    b.images.step[d] = int(p.stride[d]);
    b.images.shift[d] = -int(p.padding[d]);
    b.images.positions.size[d] = Divider(uint32_t(p.out[d]));
  }
  const Scratch taps(size_t(n) * sizeof(Tap));
  MT_LAUNCH(weight_taps_kernel, grid_for(n, kThreads), kThreads, 0, stream(), rule, int(n),
            taps.as<Tap>());
  b.images.image = p.c * p.in_size();
  b.images.group = cg * p.in_size();
  b.taps = taps.as<const Tap>();
  b.extent = n;
  PlaneSource<T> a{nullptr,
                   p.o * p.out_size(),
                   og * p.out_size(),
                   p.out_size(),
                   og,
                   Divider(uint32_t(p.out_size()))};
  MatrixStore<T, T> store{dw, nullptr, og * n, n, T(1), T(0), Activation::none, false, false};
  store.vector = n % (16 / int64_t(sizeof(T))) == 0 && reinterpret_cast<uintptr_t>(dw) % 16 == 0;
  for_images(p.batch, p.out_size(), [&](int64_t first, int64_t count) {
    a.data = dy + first * a.image;
    b.images.data = x + first * b.images.image;
    store.beta = first > 0 ? T(1) : T(0);
    const int64_t k = count * p.out_size();
    if (og > 64 && n > 64) run_weight<T, typename Tiles<T>::Wide>(og, n, k, p.groups, a, b, store);
    else if (og > 32 && n > 32)
      run_weight<T, typename Tiles<T>::Medium>(og, n, k, p.groups, a, b, store);
    else run_weight<T, typename Tiles<T>::Small>(og, n, k, p.groups, a, b, store);
  });
}

template <class T>
void backward_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  // One tap as well: positions are cut into more parts than gemm() makes.
  if constexpr (sizeof(T) <= 4)
    if (conv_on_tensor_cores(dtype_of<T>::value, p))
      return conv_tensor_core_weight<T>(p, dy, x, dw);
  if (p.last && is_product<T>(p)) return product_weight(p, dy, x, dw);
  if (conv_is_direct(p)) return conv_direct_weight(p, dy, x, dw);
  if constexpr (sizeof(T) >= 4) gather_weight(p, dy, x, dw);
}

}  // namespace

void conv_forward(DType dtype, const ConvParams& p, const void* x, const void* w, const void* bias,
                  void* y) {
  MT_SWITCH_FLOAT_HALF(
      dtype, sum_patches(p, false, static_cast<const scalar_t*>(x), static_cast<const scalar_t*>(w),
                         static_cast<const scalar_t*>(bias), static_cast<scalar_t*>(y)))
}

void conv_backward_input(DType dtype, const ConvParams& p, const void* dy, const void* w,
                         const void* bias, void* dx) {
  MT_SWITCH_FLOAT_HALF(
      dtype, sum_patches(p, true, static_cast<const scalar_t*>(dy), static_cast<const scalar_t*>(w),
                         static_cast<const scalar_t*>(bias), static_cast<scalar_t*>(dx)))
}

void conv_backward_weight(DType dtype, const ConvParams& p, const void* dy, const void* x,
                          void* dw) {
  MT_SWITCH_FLOAT_HALF(
      dtype, backward_weight(p, static_cast<const scalar_t*>(dy), static_cast<const scalar_t*>(x),
                             static_cast<scalar_t*>(dw)))
}

}  // namespace mt::cuda
