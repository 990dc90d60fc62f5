// Gradient clipping: one pass that reads all gradients, whose squares are summed per block and then
// by one block in order, in float64; and one pass that scales them where the norm is too large,
// which the device decides.
#include "ops/clip_grad.h"

#include "cuda/core/reduce.h"
#include "cuda/core/scratch.h"
#include "cuda/kernels/tensor_list.cuh"

namespace mt::cuda {
namespace {

struct Gradient {
  void* data;
  int64_t numel;
};

template <class S>
__global__ void __launch_bounds__(kThreads)
    clip_grad_squares_kernel(const TensorList<Gradient> list, double* partial) {
  constexpr int V = 16 / sizeof(S);
  int64_t begin;
  const Gradient& item = list.items[list.find(&begin)];
  const S* x = static_cast<const S*>(item.data);
  const bool aligned = reinterpret_cast<uintptr_t>(x) % 16 == 0;
  double sum = 0;
  for_chunk<V>(begin, item.numel, [&](int64_t i, int count) {
    compute_t<S> v[V];
    load_piece<S, V>(x + i, count, aligned, compute_t<S>(0), v);
#pragma unroll
    for (int k = 0; k < V; k++) sum += double(v[k]) * double(v[k]);
  });
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

template <class S>
__global__ void __launch_bounds__(1024)
    clip_grad_norm_kernel(const double* partial, int64_t count, S* norm) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += partial[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *norm = store_as<S>(compute_t<S>(::sqrt(sum)));
}

template <class S>
__global__ void __launch_bounds__(kThreads)
    clip_grad_scale_kernel(const TensorList<Gradient> list, const double* norm, double max_norm) {
  using T = compute_t<S>;
  constexpr int V = 16 / sizeof(S);
  const double factor = max_norm / (*norm + 1e-6);
  if (factor >= 1) return;
  int64_t begin;
  const Gradient& item = list.items[list.find(&begin)];
  S* x = static_cast<S*>(item.data);
  const bool aligned = reinterpret_cast<uintptr_t>(x) % 16 == 0;
  for_chunk<V>(begin, item.numel, [&](int64_t i, int count) {
    T v[V];
    load_piece<S, V>(x + i, count, aligned, T(0), v);
#pragma unroll
    for (int k = 0; k < V; k++) v[k] *= T(factor);
    store_piece<S, V>(x + i, count, aligned, v);
  });
}

template <class Launch>
void for_lists(const ClipItem* items, int64_t count, const Launch& launch) {
  ListLauncher<Gradient, Launch> launcher(launch);
  for (int64_t i = 0; i < count; i++) launcher.add({items[i].data, items[i].numel});
  launcher.flush();
}

}  // namespace

void clip_grad_norm(DType dtype, const ClipItem* items, int64_t count, int64_t total, double*,
                    void* norm) {
  // Blocks of the chunks: at most one more per tensor than the joint range would have.
  const Scratch scratch(size_t(ceil_div(total, kListChunk) + count + 1) * sizeof(double));
  double* partial = scratch.as<double>();
  MT_SWITCH_FLOAT_HALF(dtype, {
    int64_t blocks = 0;
    for_lists(items, count, [&](const TensorList<Gradient>& list, unsigned grid) {
      MT_LAUNCH((clip_grad_squares_kernel<scalar_t>), grid, kThreads, 0, stream(), list,
                partial + blocks);
      blocks += grid;
    });
    MT_LAUNCH((clip_grad_norm_kernel<scalar_t>), 1, 1024, 0, stream(),
              static_cast<const double*>(partial), blocks, static_cast<scalar_t*>(norm));
  })
}

void clip_grad_scale(DType dtype, const ClipItem* items, int64_t count, int64_t, const double* norm,
                     double max_norm) {
  MT_SWITCH_FLOAT_HALF(
      dtype, for_lists(items, count, [&](const TensorList<Gradient>& list, unsigned grid) {
        MT_LAUNCH((clip_grad_scale_kernel<scalar_t>), grid, kThreads, 0, stream(), list, norm,
                  max_norm);
      });)
}

}  // namespace mt::cuda
