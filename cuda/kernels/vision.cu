// Grid sampling, as csrc/kernels/vision.cpp states it. Forward and the gradient of the grid: a
// thread has the taps of one output place in registers and walks over the channels; where outputs
// are few, several threads share the channels of one. Bytes: the grid, x and y (dy) once, as far as
// outputs that are neighbours have taps that are.
//
// The gradient of the image adds to cells that outputs share. Every tap of every output is an entry
// with the cell as its key and the tap's weight; the entries are sorted by cell, and each cell's
// are added up in the order of the outputs (cuda/kernels/segments.cuh), four channels a thread.
// Bytes per tap: about 16 per pass of the sort, of which there are few (22 bits for 4 images of
// 1024 x 1024), then dy once per tap and channel, which neighbours find in cache.
#include "ops/vision.h"

#include "cuda/core/divide.h"
#include "cuda/core/scratch.h"
#include "cuda/kernels/segments.cuh"
#include "cuda/kernels/sort.cuh"
#include "kernels/vision_taps.h"

namespace mt::cuda {
namespace {

// A GridParams with what the compiler shall know: the dims of the grid, and the taps per dim.
template <class Value, GridMode kMode, int kDims>
struct Sampler {
  using T = Value;
  static constexpr int kPerDim = kMode == GridMode::nearest    ? 1
                                 : kMode == GridMode::bilinear ? 2
                                                               : 4;
  static constexpr int kDeep = kDims == 3 ? kPerDim : 1;
  static constexpr int kTaps = kDeep * kPerDim * kPerDim;
  GridParams p;
  int64_t size, in_size;

  explicit Sampler(const GridParams& params)
      : p(params), size(params.out_size()), in_size(params.in_size()) {}
};

// The taps of an output: offsets in a plane, -1 outside, and weights.
template <class Sampler>
struct Output {
  using T = typename Sampler::T;
  static constexpr int N = Sampler::kPerDim, kTaps = Sampler::kTaps;
  fn::Taps<T> d[3];
  int32_t at[kTaps];
  T w[kTaps];

  template <GridMode kMode, int kDims>
  __device__ __forceinline__ static fn::Taps<T> taps(const mt::cuda::Sampler<T, kMode, kDims>& s,
                                                     const T* grid, int from_last) {
    if (from_last >= kDims) return {1, {0, 0, 0, 0}, {T(1), 0, 0, 0}, {0, 0, 0, 0}};
    GridParams p = s.p;
    p.mode = kMode;
    return fn::taps_of(p, grid[from_last], p.in[2 - from_last]);
  }
  __device__ __forceinline__ Output(const Sampler& s, const T* grid)
      : d{taps(s, grid, 2), taps(s, grid, 1), taps(s, grid, 0)} {
#pragma unroll
    for (int k = 0; k < kTaps; k++) {
      const int a = k / (N * N), b = k / N % N, c = k % N;
      const int64_t i = d[0].at[a], j = d[1].at[b], l = d[2].at[c];
      at[k] = i < 0 || j < 0 || l < 0 ? -1 : int32_t((i * s.p.in[1] + j) * s.p.in[2] + l);
      w[k] = d[0].w[a] * d[1].w[b] * d[2].w[c];
    }
  }
};

// Threads along x: outputs; along y: shares of the channels.
template <class Sampler>
__global__ void __launch_bounds__(kThreads, 2)
    forward_kernel(const Sampler s, const typename Sampler::T* x, const typename Sampler::T* grid,
                   typename Sampler::T* y) {
  using T = typename Sampler::T;
  const int64_t image = blockIdx.y, q = thread_index();
  if (q >= s.size) return;
  const Output<Sampler> output(s, grid + (image * s.size + q) * s.p.nd);
  const T* from = x + image * s.p.c * s.in_size;
  T* to = y + image * s.p.c * s.size + q;
  for (int64_t c = threadIdx.y; c < s.p.c; c += blockDim.y) {
    T sum = T(0);
#pragma unroll
    for (int k = 0; k < Sampler::kTaps; k++)
      if (output.at[k] >= 0) sum += output.w[k] * from[c * s.in_size + output.at[k]];
    to[c * s.size] = sum;
  }
}

template <class Sampler>
__global__ void __launch_bounds__(kThreads, 2)
    grid_gradient_kernel(const Sampler s, const typename Sampler::T* dy,
                         const typename Sampler::T* x, const typename Sampler::T* grid,
                         typename Sampler::T* dgrid) {
  using T = typename Sampler::T;
  constexpr int N = Sampler::kPerDim;
  MT_SHARED(T, part, 3 * kThreads);
  const int64_t image = blockIdx.y, q = thread_index();
  T slope[3] = {};
  if (q < s.size) {
    const Output<Sampler> output(s, grid + (image * s.size + q) * s.p.nd);
    const T* from = x + image * s.p.c * s.in_size;
    const T* g = dy + image * s.p.c * s.size + q;
    T dot[Sampler::kTaps] = {};
    for (int64_t c = threadIdx.y; c < s.p.c; c += blockDim.y) {
      const T v = g[c * s.size];
#pragma unroll
      for (int k = 0; k < Sampler::kTaps; k++)
        if (output.at[k] >= 0) dot[k] += v * from[c * s.in_size + output.at[k]];
    }
    const auto& d = output.d;
#pragma unroll
    for (int k = 0; k < Sampler::kTaps; k++) {
      const int a = k / (N * N), b = k / N % N, c = k % N;
      slope[0] += d[0].dw[a] * d[1].w[b] * d[2].w[c] * dot[k];
      slope[1] += d[0].w[a] * d[1].dw[b] * d[2].w[c] * dot[k];
      slope[2] += d[0].w[a] * d[1].w[b] * d[2].dw[c] * dot[k];
    }
  }
  if (blockDim.y > 1) {
#pragma unroll
    for (int k = 0; k < 3; k++)
      part[(k * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x] = slope[k];
    __syncthreads();
    if (threadIdx.y > 0) return;
#pragma unroll
    for (int k = 0; k < 3; k++)
      for (unsigned other = 1; other < blockDim.y; other++) {
        const T v = part[(k * blockDim.y + other) * blockDim.x + threadIdx.x];
        slope[k] += v;
      }
  }
  if (q >= s.size) return;
  T* to = dgrid + (image * s.size + q) * s.p.nd;
#pragma unroll
  for (int k = 0; k < 3; k++)
    if (k < s.p.nd) to[k] = slope[2 - k];
}

// The cell of each tap of each output, numbered over the images, and its weight; `none` for taps
// that are outside.
template <class Sampler>
__global__ void __launch_bounds__(kThreads)
    taps_kernel(const Sampler s, const typename Sampler::T* grid, uint32_t outputs, uint32_t none,
                uint32_t* cells, typename Sampler::T* weights) {
  for (int64_t q = thread_index(); q < outputs; q += thread_count()) {
    const Output<Sampler> output(s, grid + q * s.p.nd);
    const uint32_t first = uint32_t(q / s.size * s.in_size);
#pragma unroll
    for (int k = 0; k < Sampler::kTaps; k++) {
      cells[q * Sampler::kTaps + k] = output.at[k] < 0 ? none : first + uint32_t(output.at[k]);
      weights[q * Sampler::kTaps + k] = output.w[k];
    }
  }
}

template <class Value>
struct ImageGradient {
  using T = Value;
  static constexpr int kEach = 4;
  uint32_t width;  // channels
  Divider taps, out_size, in_size;
  const T *dy, *weights;
  T* dx;

  __device__ __forceinline__ void get(uint32_t entry, uint32_t c, T (&v)[kEach]) const {
    uint32_t q, tap;
    const uint32_t image = out_size.divide(taps.divide(entry, &tap), &q);
    const T w = weights[entry];
    const T* from = dy + (int64_t(image) * width + c) * out_size.divisor + q;
#pragma unroll
    for (int k = 0; k < kEach; k++) v[k] = c + k < width ? w * from[k * out_size.divisor] : T(0);
  }
  __device__ __forceinline__ T* at_cell(uint32_t cell, uint32_t c) const {
    uint32_t at;
    const uint32_t image = in_size.divide(cell, &at);
    return dx + (int64_t(image) * width + c) * in_size.divisor + at;
  }
  __device__ __forceinline__ void target(uint32_t, uint32_t, T (&)[kEach]) const {}
  __device__ __forceinline__ void set_target(uint32_t cell, uint32_t c, const T (&v)[kEach]) const {
    T* to = at_cell(cell, c);
#pragma unroll
    for (int k = 0; k < kEach; k++)
      if (c + k < width) to[int64_t(k) * in_size.divisor] = v[k];
  }
  __device__ __forceinline__ static T combine(T a, T b) { return a + b; }
};

// The gradient of some images.
template <class Sampler>
void image_gradient(const Sampler& s, const typename Sampler::T* dy,
                    const typename Sampler::T* grid, typename Sampler::T* dx) {
  using T = typename Sampler::T;
  const uint32_t outputs = uint32_t(s.p.batch * s.size), cells = uint32_t(s.p.batch * s.in_size);
  const uint32_t n = outputs * Sampler::kTaps;
  const Scratch key(n * sizeof(uint32_t)), sorted(n * sizeof(uint32_t)),
      order(n * sizeof(uint32_t)), weights(n * sizeof(T));
  MT_LAUNCH((taps_kernel<Sampler>), grid_for(outputs, kThreads), kThreads, 0, stream(), s, grid,
            outputs, cells, key.as<uint32_t>(), weights.as<T>());
  Sorted to;
  to.values = sorted.as<void>();
  to.order = order.as<uint32_t>();
  sort_rows(DType::Int32, false, key.as<void>(), 1, n, to, bits_for(cells));
  const ImageGradient<T> op{uint32_t(s.p.c),
                            Divider(uint32_t(Sampler::kTaps)),
                            Divider(uint32_t(s.size)),
                            Divider(uint32_t(s.in_size)),
                            dy,
                            weights.as<T>(),
                            dx};
  reduce_segments(op, sorted.as<uint32_t>(), order.as<uint32_t>(), n, cells, false);
}

// As many images at a time as 31 bits count the cells of, and as have at most kTapsAtATime taps, at
// about 32 bytes of scratch memory each.
constexpr int64_t kTapsAtATime = int64_t(1) << 25;

template <class Sampler>
void all_image_gradients(const Sampler& all, const typename Sampler::T* dy,
                         const typename Sampler::T* grid, typename Sampler::T* dx) {
  const int64_t c = all.p.c, batch = all.p.batch, plane = c * all.in_size;
  if (batch * plane == 0) return;
  MT_CUDA_CHECK(cudaMemsetAsync(dx, 0, size_t(batch * plane) * sizeof(*dx), stream()));
  if (all.size == 0) return;
  const int64_t most = int64_t(1) << 30, taps = all.size * Sampler::kTaps;
  MT_CHECK(taps <= most && all.in_size <= most, "grid_sample(): images of ", all.in_size,
           " elements and grids of ", all.size, " places are too large for the GPU's kernels");
  const int64_t by_taps = kTapsAtATime / taps, by_cells = most / all.in_size;
  const int64_t step = by_taps < 1 ? 1 : by_taps < by_cells ? by_taps : by_cells;
  for (int64_t first = 0; first < batch; first += step) {
    Sampler s = all;
    s.p.batch = batch - first < step ? batch - first : step;
    image_gradient(s, dy + first * c * s.size, grid + first * s.size * s.p.nd, dx + first * plane);
  }
}

template <class T, class F>
void with_sampler(const GridParams& p, const F& f) {
  MT_CHECK(p.in_size() <= 0x7fffffff, "grid_sample(): images of ", p.in_size(),
           " elements are too large for the GPU's kernels");
  if (p.mode == GridMode::bicubic) f(Sampler<T, GridMode::bicubic, 2>(p));
  else if (p.mode == GridMode::nearest && p.nd == 2) f(Sampler<T, GridMode::nearest, 2>(p));
  else if (p.mode == GridMode::nearest) f(Sampler<T, GridMode::nearest, 3>(p));
  else if (p.nd == 2) f(Sampler<T, GridMode::bilinear, 2>(p));
  else f(Sampler<T, GridMode::bilinear, 3>(p));
}

// Few outputs of many channels: several threads for one.
struct Split {
  dim3 grid, block;
  explicit Split(const GridParams& p) {
    MT_CHECK(p.batch <= 65535, "grid_sample(): at most 65535 images on a GPU, got ", p.batch);
    const int64_t outputs = p.batch * p.out_size();
    const unsigned shares = outputs < (1 << 13) && p.c >= 64   ? 32
                            : outputs < (1 << 16) && p.c >= 16 ? 8
                                                               : 1;
    block = dim3(unsigned(kThreads) / shares, shares);
    grid = dim3(grid_for(p.out_size(), block.x), unsigned(p.batch));
  }
};

}  // namespace

void grid_sample_forward(DType dtype, const GridParams& p, const void* x, const void* grid,
                         void* y) {
  if (p.batch == 0 || p.out_size() == 0) return;
  MT_SWITCH_FLOAT(dtype, with_sampler<scalar_t>(p, [&](const auto& s) {
                    const Split split(p);
                    MT_LAUNCH((forward_kernel<std::decay_t<decltype(s)>>), split.grid, split.block,
                              0, stream(), s, static_cast<const scalar_t*>(x),
                              static_cast<const scalar_t*>(grid), static_cast<scalar_t*>(y));
                  }))
}

void grid_sample_backward(DType dtype, const GridParams& p, const void* dy, const void* x,
                          const void* grid, void* dx, void* dgrid) {
  if (p.batch == 0) return;
  MT_SWITCH_FLOAT(dtype, with_sampler<scalar_t>(p, [&](const auto& s) {
                    const auto* g = static_cast<const scalar_t*>(dy);
                    const auto* places = static_cast<const scalar_t*>(grid);
                    const Split split(p);
                    if (dgrid && s.size > 0)
                      MT_LAUNCH((grid_gradient_kernel<std::decay_t<decltype(s)>>), split.grid,
                                split.block, 0, stream(), s, g, static_cast<const scalar_t*>(x),
                                places, static_cast<scalar_t*>(dgrid));
                    if (dx) all_image_gradients(s, g, places, static_cast<scalar_t*>(dx));
                  }))
}

}  // namespace mt::cuda
