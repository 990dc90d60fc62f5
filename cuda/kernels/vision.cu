// Grid sampling, as csrc/kernels/vision.cpp states it. Forward and the gradient of the grid: one
// thread per output place, which walks over the channels.
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

template <class T>
__global__ void __launch_bounds__(kThreads, 2)
    forward_kernel(const GridParams p, const T* x, const T* grid, T* y, int64_t size,
                   int64_t in_size) {
  const int64_t image = blockIdx.y;
  for (int64_t q = thread_index(); q < size; q += thread_count()) {
    const fn::Place<T> place(p, grid + (image * size + q) * p.nd);
    const T* from = x + image * p.c * in_size;
    T* to = y + image * p.c * size + q;
    for (int64_t c = 0; c < p.c; c++, from += in_size, to += size) {
      T sum = T(0);
      place.each(p, [&](int64_t at, int a, int b, int d) {
        sum += place.d[0].w[a] * place.d[1].w[b] * place.d[2].w[d] * from[at];
      });
      *to = sum;
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2)
    grid_gradient_kernel(const GridParams p, const T* dy, const T* x, const T* grid, T* dgrid,
                         int64_t size, int64_t in_size) {
  const int64_t image = blockIdx.y;
  for (int64_t q = thread_index(); q < size; q += thread_count()) {
    const fn::Place<T> place(p, grid + (image * size + q) * p.nd);
    const T* from = x + image * p.c * in_size;
    const T* g = dy + image * p.c * size + q;
    T slope[3] = {};
    place.each(p, [&](int64_t at, int a, int b, int c) {
      const T w0 = place.d[0].w[a], w1 = place.d[1].w[b], w2 = place.d[2].w[c];
      T dot = T(0);
      for (int64_t n = 0; n < p.c; n++) dot += g[n * size] * from[n * in_size + at];
      slope[0] += place.d[0].dw[a] * w1 * w2 * dot;
      slope[1] += w0 * place.d[1].dw[b] * w2 * dot;
      slope[2] += w0 * w1 * place.d[2].dw[c] * dot;
    });
    for (int k = 0; k < p.nd; k++) dgrid[(image * size + q) * p.nd + k] = slope[2 - k];
  }
}

// The cell of each tap of each output, numbered over the images, and its weight; `none` for taps
// that are outside.
template <class T>
__global__ void __launch_bounds__(kThreads)
    taps_kernel(const GridParams p, const T* grid, uint32_t outputs, uint32_t out_size,
                uint32_t in_size, int taps, uint32_t none, uint32_t* cells, T* weights) {
  for (int64_t q = thread_index(); q < outputs; q += thread_count()) {
    const fn::Place<T> place(p, grid + q * p.nd);
    const uint32_t image_cells = uint32_t(q / out_size) * in_size;
    uint32_t* cell = cells + q * taps;
    T* weight = weights + q * taps;
    int count = 0;
    place.each(p, [&](int64_t at, int a, int b, int c) {
      cell[count] = image_cells + uint32_t(at);
      weight[count++] = place.d[0].w[a] * place.d[1].w[b] * place.d[2].w[c];
    });
    for (; count < taps; count++) cell[count] = none;
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
template <class T>
void image_gradient(const GridParams& p, const T* dy, const T* grid, T* dx) {
  const uint32_t outputs = uint32_t(p.batch * p.out_size()),
                 cells = uint32_t(p.batch * p.in_size());
  const int per_dim = p.mode == GridMode::nearest ? 1 : p.mode == GridMode::bilinear ? 2 : 4;
  int taps = 1;
  for (int d = 0; d < p.nd; d++) taps *= per_dim;
  const uint32_t n = outputs * uint32_t(taps);
  const Scratch key(n * sizeof(uint32_t)), sorted(n * sizeof(uint32_t)),
      order(n * sizeof(uint32_t)), weights(n * sizeof(T));
  MT_LAUNCH((taps_kernel<T>), grid_for(outputs, kThreads), kThreads, 0, stream(), p, grid, outputs,
            uint32_t(p.out_size()), uint32_t(p.in_size()), taps, cells, key.as<uint32_t>(),
            weights.as<T>());
  Sorted to;
  to.values = sorted.as<void>();
  to.order = order.as<uint32_t>();
  sort_rows(DType::Int32, false, key.as<void>(), 1, n, to, bits_for(cells));
  const ImageGradient<T> op{uint32_t(p.c),
                            Divider(uint32_t(taps)),
                            Divider(uint32_t(p.out_size())),
                            Divider(uint32_t(p.in_size())),
                            dy,
                            weights.as<T>(),
                            dx};
  reduce_segments(op, sorted.as<uint32_t>(), order.as<uint32_t>(), n, cells, false);
}

// As many images at a time as 31 bits count the taps and the cells of.
template <class T>
void all_image_gradients(const GridParams& all, const T* dy, const T* grid, T* dx) {
  const size_t bytes = size_t(all.batch * all.c * all.in_size()) * sizeof(T);
  if (bytes == 0) return;
  MT_CUDA_CHECK(cudaMemsetAsync(dx, 0, bytes, stream()));
  const int64_t most = int64_t(1) << 30, out = all.out_size() * 16, in = all.in_size();
  if (out == 0) return;
  MT_CHECK(out <= most && in <= most, "grid_sample(): images of ", in, " elements and grids of ",
           out / 16, " places are too large for the GPU's kernels");
  const int64_t step = most / (out > in ? out : in);
  for (int64_t first = 0; first < all.batch; first += step) {
    GridParams p = all;
    p.batch = all.batch - first < step ? all.batch - first : step;
    image_gradient(p, dy + first * p.c * p.out_size(), grid + first * p.out_size() * p.nd,
                   dx + first * p.c * in);
  }
}

dim3 grid_of(const GridParams& p) {
  MT_CHECK(p.batch <= 65535, "grid_sample(): at most 65535 images on a GPU, got ", p.batch);
  return {grid_for(p.out_size(), kThreads, 1 << 16), unsigned(p.batch)};
}

}  // namespace

void grid_sample_forward(DType dtype, const GridParams& p, const void* x, const void* grid,
                         void* y) {
  if (p.batch == 0 || p.out_size() == 0) return;
  MT_SWITCH_FLOAT(dtype, {
    MT_LAUNCH((forward_kernel<scalar_t>), grid_of(p), kThreads, 0, stream(), p,
              static_cast<const scalar_t*>(x), static_cast<const scalar_t*>(grid),
              static_cast<scalar_t*>(y), p.out_size(), p.in_size());
  })
}

void grid_sample_backward(DType dtype, const GridParams& p, const void* dy, const void* x,
                          const void* grid, void* dx, void* dgrid) {
  if (p.batch == 0) return;
  MT_SWITCH_FLOAT(dtype, {
    const auto* g = static_cast<const scalar_t*>(dy);
    const auto* places = static_cast<const scalar_t*>(grid);
    if (dgrid && p.out_size() > 0)
      MT_LAUNCH((grid_gradient_kernel<scalar_t>), grid_of(p), kThreads, 0, stream(), p, g,
                static_cast<const scalar_t*>(x), places, static_cast<scalar_t*>(dgrid),
                p.out_size(), p.in_size());
    if (dx) all_image_gradients(p, g, places, static_cast<scalar_t*>(dx));
  })
}

}  // namespace mt::cuda
