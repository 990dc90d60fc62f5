// Convolution as products of matrices whose patches are gathered while they are loaded
// (conv_gather.cuh, gemm_simt.cuh); per group:
//   forward   y[o][b q]  = sum over c t of w[o][c t] x[b c, q s + t l - p]
//   input     dx[c][b i] = sum over o t of w[o][c t] dy[b o, (i + p - t l) / s]: positions i of
//   equal
//             residue modulo the stride see the same taps, so each class of them is a product
//   weight    dw[o][c t] = sum over b q of dy[b o q] x[b c, q s + t l - p]
// Kernels of one tap are products as they stand; one or two channels per group go element by
// element (conv_direct.cuh). All sums are in a fixed order.
#include "ops/conv.h"

#include "cuda/kernels/conv_direct.cuh"
#include "cuda/kernels/conv_gather.cuh"

namespace mt::cuda {
namespace {

// --- tap lists and weights in their order

struct ClassRule {
  int m, channels, groups, classes;  // rows of the result and summed channels, per group
  int kernel[3], residues[3];        // residues: classes per dim
  int padding[3], dilation[3], tap_step[3];
  int size[3];                      // of the gathered images
  int row;                          // length of a list, a multiple of 4
  int64_t w_group, w_m, w_channel;  // strides of w; a tap's is 1
  bool backward;
};

// First tap that class r uses of a dim, and their number.
__device__ __forceinline__ int taps_of(const ClassRule& p, int d, int r, int* first) {
  if (!p.backward) {
    *first = 0;
    return p.kernel[d];
  }
  for (int t = 0; t < p.tap_step[d] && t < p.kernel[d]; t++) {
    const int at = r + p.padding[d] - t * p.dilation[d];
    if (at % p.residues[d] != 0) continue;
    *first = t;
    return (p.kernel[d] - t + p.tap_step[d] - 1) / p.tap_step[d];
  }
  *first = 0;
  return 0;
}

// weights [classes][groups][m][row] and taps [classes][row] in the order of k: tap, channel.
template <class T>
__global__ void __launch_bounds__(kThreads)
    prepare_kernel(const ClassRule p, const T* __restrict__ w, T* __restrict__ weights,
                   Tap* __restrict__ taps, int* __restrict__ depth) {
  const int64_t all = int64_t(p.classes) * p.groups * p.m * p.row;
  for (int64_t at = thread_index(); at < all; at += thread_count()) {
    const int k = int(at % p.row);
    int64_t rest = at / p.row;
    const int m = int(rest % p.m);
    rest /= p.m;
    const int g = int(rest % p.groups);
    int kind = int(rest / p.groups);
    const int list = kind;
    int count[3], first[3], residue[3], index[3];
    for (int d = 2; d >= 0; d--) {
      residue[d] = kind % p.residues[d];
      kind /= p.residues[d];
      count[d] = taps_of(p, d, residue[d], &first[d]);
    }
    const int used = count[0] * count[1] * count[2] * p.channels;
    const int channel = k % p.channels;
    int n = k / p.channels;
    Tap tap = {0, {kNoTap, kNoTap, kNoTap}};
    int64_t weight = -1;
    if (k < used) {
      for (int d = 2; d >= 0; d--) {
        index[d] = n % count[d];
        n /= count[d];
      }
      int t[3];
      for (int d = 0; d < 3; d++) {
        t[d] = p.backward ? first[d] + index[d] * p.tap_step[d] : index[d];
        tap.d[d] = t[d] * p.dilation[d];
        if (p.backward)
          tap.d[d] = (residue[d] + p.padding[d] - t[d] * p.dilation[d]) / p.residues[d];
      }
      tap.offset = channel * p.size[0] * p.size[1] * p.size[2] +
                   (tap.d[0] * p.size[1] + tap.d[1]) * p.size[2] + tap.d[2];
      weight = g * p.w_group + m * p.w_m + channel * p.w_channel +
               (t[0] * p.kernel[1] + t[1]) * p.kernel[2] + t[2];
    }
    weights[at] = weight >= 0 ? w[weight] : T(0);
    if (g == 0 && m == 0) {
      taps[int64_t(list) * p.row + k] = tap;
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

int64_t gcd(int64_t a, int64_t b) { return b == 0 ? a : gcd(b, a % b); }

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
  const int64_t cg = p.c / p.groups, og = p.o / p.groups;
  const int64_t* from = backward ? p.out : p.in;
  const int64_t* to = backward ? p.in : p.out;
  ClassRule rule;
  rule.backward = backward;
  rule.m = int(backward ? cg : og);
  rule.channels = int(backward ? og : cg);
  rule.groups = int(p.groups);
  rule.classes = 1;
  rule.w_group = og * cg * p.taps();
  rule.w_m = backward ? p.taps() : cg * p.taps();
  rule.w_channel = backward ? cg * p.taps() : p.taps();
  int64_t most_taps = 1, per_image = 1;
  PatchSource<T> source;
  ImageStore<T> store;
  for (int d = 0; d < 3; d++) {
    rule.kernel[d] = int(p.kernel[d]), rule.padding[d] = int(p.padding[d]);
    rule.dilation[d] = int(p.dilation[d]);
    rule.size[d] = source.images.size[d] = int(from[d]);
    rule.residues[d] = backward ? int(p.stride[d]) : 1;
    rule.tap_step[d] = backward ? int(p.stride[d] / gcd(p.stride[d], p.dilation[d])) : 1;
    rule.classes *= rule.residues[d];
    most_taps *= ceil_div(p.kernel[d], rule.tap_step[d]);
    const int64_t size = ceil_div(to[d], rule.residues[d]);
    per_image *= size;
    source.images.positions.size[d] = store.positions.size[d] = Divider(uint32_t(size));
    source.images.step[d] = backward ? 1 : int(p.stride[d]);
    source.images.shift[d] = backward ? 0 : -int(p.padding[d]);
    store.size[d] = int(to[d]);
    store.step[d] = rule.residues[d];
  }
  const int64_t k = most_taps * rule.channels;
  rule.row = int(ceil_div(k, 4) * 4);
  const int64_t rows = int64_t(rule.classes) * rule.groups * rule.m;
  const Scratch weights(size_t(rows * rule.row) * sizeof(T));
  const Scratch taps(size_t(rule.classes) * size_t(rule.row) * sizeof(Tap));
  const Scratch depth(size_t(rule.classes) * sizeof(int));
  MT_LAUNCH((prepare_kernel<T>), grid_for(rows * rule.row, kThreads, 1 << 16), kThreads, 0,
            stream(), rule, w, weights.as<T>(), taps.as<Tap>(), depth.as<int>());

  const MatrixSource<T> a{
      weights.as<const T>(), int64_t(rule.m) * rule.row, rule.row, 1, rule.m, true};
  source.images.image = rule.groups * rule.channels * (from[0] * from[1] * from[2]);
  source.images.group = rule.channels * (from[0] * from[1] * from[2]);
  source.taps = taps.as<const Tap>();
  source.depth = depth.as<const int>();
  source.row = rule.row;
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
        return run_gather<T, typename Tiles<T>::Large>(rule, source.extent, k, a, source, store);
      case TileSize::wide:
        return run_gather<T, typename Tiles<T>::Wide>(rule, source.extent, k, a, source, store);
      case TileSize::medium:
        return run_gather<T, typename Tiles<T>::Medium>(rule, source.extent, k, a, source, store);
      case TileSize::small:
        return run_gather<T, typename Tiles<T>::Small>(rule, source.extent, k, a, source, store);
    }
  });
}

// One tap at every position: y[b] = w x[b], or its transpose. Planes long enough to fill tiles.
bool is_product(const ConvParams& p) {
  for (int d = 0; d < 3; d++)
    if (p.kernel[d] != 1 || p.stride[d] != 1 || p.padding[d] != 0) return false;
  return p.groups == 1 && p.in_size() >= 128;
}
template <class T>
void product(const ConvParams& p, bool backward, const T* x, const T* w, const T* bias, T* y) {
  const int64_t n = p.in_size(), m = backward ? p.c : p.o, k = backward ? p.o : p.c;
  GemmArgs g{.dtype = dtype_of<T>::value, .batch = p.batch, .m = m, .n = n, .k = k};
  g.a = w, g.a_row = backward ? 1 : p.c, g.a_col = backward ? p.c : 1;
  g.b = x, g.b_batch = k * n, g.b_row = n, g.b_col = 1;
  g.c = y, g.c_batch = m * n, g.c_row = n;
  g.bias = bias, g.bias_per_row = true;
  gemm(g);
}

bool is_direct(const ConvParams& p) { return p.groups > 1 && p.c / p.groups <= 2; }

template <class T>
void forward(const ConvParams& p, const T* x, const T* w, const T* bias, T* y) {
  if (p.batch == 0) return;
  if (is_product(p)) return product(p, false, x, w, bias, y);
  if (!is_direct(p)) return gather(p, false, x, w, bias, y);
  check_sizes(p);
  const ConvShape shape(p);
  const int64_t in = p.c * p.in_size(), out = p.o * p.out_size();
  for_images(p.batch, out, [&](int64_t first, int64_t count) {
    MT_LAUNCH((conv_direct_forward_kernel<T>), grid_for(count * out, kThreads), kThreads, 0,
              stream(), shape, uint32_t(count * out), x + first * in, w, bias, y + first * out);
  });
}

template <class T>
void backward_input(const ConvParams& p, const T* dy, const T* w, const T* bias, T* dx) {
  if (p.batch == 0) return;
  if (is_product(p)) return product(p, true, dy, w, bias, dx);
  if (!is_direct(p)) return gather(p, true, dy, w, bias, dx);
  check_sizes(p);
  const ConvShape shape(p);
  const int64_t in = p.c * p.in_size(), out = p.o * p.out_size();
  for_images(p.batch, in, [&](int64_t first, int64_t count) {
    MT_LAUNCH((conv_direct_backward_input_kernel<T>), grid_for(count * in, kThreads), kThreads, 0,
              stream(), shape, uint32_t(count * in), dy + first * out, w, bias, dx + first * in);
  });
}

template <class T, class S>
void run_weight(int64_t m, int64_t n, int64_t k, int64_t groups, const PlaneSource<T>& a,
                const TapSource<T>& b, const MatrixStore<T, T>& store) {
  run_tiles<S, PlaneLoader<T, S>, TapLoader<T, S>>(m, n, k, groups, a, b, store);
}

template <class T>
void backward_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  check_sizes(p);
  const int64_t cg = p.c / p.groups, og = p.o / p.groups, n = cg * p.taps();
  if (is_direct(p)) {
    MT_LAUNCH((conv_direct_backward_weight_kernel<T>), unsigned(p.o * n), kThreads, 0, stream(),
              ConvShape(p), dy, x, dw);
    return;
  }
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
    if (og > 64 && n > 64) run_weight<T, typename Tiles<T>::Large>(og, n, k, p.groups, a, b, store);
    else if (og > 32 && n > 32)
      run_weight<T, typename Tiles<T>::Medium>(og, n, k, p.groups, a, b, store);
    else run_weight<T, typename Tiles<T>::Small>(og, n, k, p.groups, a, b, store);
  });
}

template <class T>
void backward_bias(const T* dy, int64_t batch, int64_t c, int64_t n, T* db) {
  // Few enough blocks that the second pass is short, the same on every device.
  int64_t parts = batch * n / 8192;
  parts = parts < 1 ? 1 : parts > batch ? (batch > 0 ? batch : 1) : parts;
  if (parts > 64) parts = 64;
  const auto sum = [&](const T* from, int64_t images, int64_t size, T* to, int64_t blocks) {
    MT_LAUNCH((conv_backward_bias_kernel<T>), dim3(unsigned(c), unsigned(blocks)), kThreads, 0,
              stream(), from, images, c, size, to);
  };
  if (parts == 1) return sum(dy, batch, n, db, 1);
  const Scratch sums(size_t(parts * c) * sizeof(T));
  sum(dy, batch, n, sums.as<T>(), parts);
  sum(sums.as<const T>(), parts, 1, db, 1);
}

}  // namespace

void conv_forward(DType dtype, const ConvParams& p, const void* x, const void* w, const void* bias,
                  void* y) {
  MT_SWITCH_FLOAT(dtype,
                  forward(p, static_cast<const scalar_t*>(x), static_cast<const scalar_t*>(w),
                          static_cast<const scalar_t*>(bias), static_cast<scalar_t*>(y)))
}

void conv_backward_input(DType dtype, const ConvParams& p, const void* dy, const void* w,
                         const void* bias, void* dx) {
  MT_SWITCH_FLOAT(
      dtype, backward_input(p, static_cast<const scalar_t*>(dy), static_cast<const scalar_t*>(w),
                            static_cast<const scalar_t*>(bias), static_cast<scalar_t*>(dx)))
}

void conv_backward_weight(DType dtype, const ConvParams& p, const void* dy, const void* x,
                          void* dw) {
  MT_SWITCH_FLOAT(
      dtype, backward_weight(p, static_cast<const scalar_t*>(dy), static_cast<const scalar_t*>(x),
                             static_cast<scalar_t*>(dw)))
}

void conv_backward_bias(DType dtype, const void* dy, int64_t batch, int64_t c, int64_t n,
                        void* db) {
  if (c == 0) return;
  MT_SWITCH_FLOAT(dtype, backward_bias(static_cast<const scalar_t*>(dy), batch, c, n,
                                       static_cast<scalar_t*>(db)))
}

}  // namespace mt::cuda
