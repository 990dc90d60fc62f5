// y = x[k], x[k] = v, x[k] += v for indices k along one dim (several indexed dims come combined
// into offsets). Forward of gather, index_select, embedding; backward of all of them.
//
// Indices are checked where they are used: one out of range is reported (cuda/core/index_error.h)
// and its element left out, so no access leaves x.
//
// Several elements may address the same place of x; the result never depends on the order in which
// threads run: a first pass notes the last writer of each place, a second one lets it write; sums
// are in index_reduce.cu. Rows that are contiguous are moved in units of 16 bytes. Bytes: index,
// values and x once; writes 4 bytes per unit of x's extent.
#include "ops/index.h"

#include "cuda/core/scratch.h"
#include "cuda/kernels/index.cuh"

namespace mt::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads) get_kernel(const Space s, const Target t) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= s.numel) return;
  int64_t offset[3];
  locate(s, i, offset);
  const int64_t k = checked(t, at(t.index + offset[2]));
  T v{};
  if (k >= 0) v = *reinterpret_cast<const T*>(t.x + offset[1] + k * t.step);
  *reinterpret_cast<T*>(t.y + offset[0]) = v;
}

// --- writes

// owner[place of x] = the last element that addresses it, counted from 1.
__global__ void __launch_bounds__(kThreads)
    claim_kernel(const Space s, const Target t, int itemsize, uint32_t* owner) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= s.numel) return;
  int64_t offset[3];
  locate(s, i, offset);
  const int64_t k = checked(t, at(t.index + offset[2]));
  if (k >= 0) atomicMax(&owner[(offset[1] + k * t.step) / itemsize], i + 1);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    set_kernel(const Space s, const Target t, const uint32_t* owner) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= s.numel) return;
  int64_t offset[3];
  locate(s, i, offset);
  const int64_t k = checked(t, at(t.index + offset[2]));
  if (k < 0) return;
  const int64_t place = offset[1] + k * t.step;
  if (owner[place / int64_t(sizeof(T))] != i + 1) return;
  *reinterpret_cast<T*>(t.x + place) = *reinterpret_cast<const T*>(t.y + offset[0]);
}

template <class T>
void set_as(const IndexLoop& loop) {
  const Space space = space_of(loop.it);
  const Target target = target_of(loop);
  const size_t bytes = size_t(extent(loop, sizeof(T))) / sizeof(T) * sizeof(uint32_t);
  Scratch owner(bytes);
  MT_CUDA_CHECK(cudaMemsetAsync(owner.as<void>(), 0, bytes, stream()));
  const unsigned grid = grid_for(space.numel, kThreads);
  MT_LAUNCH(claim_kernel, grid, kThreads, 0, stream(), space, target, int(sizeof(T)),
            owner.as<uint32_t>());
  MT_LAUNCH((set_kernel<T>), grid, kThreads, 0, stream(), space, target, owner.as<uint32_t>());
}

__global__ void __launch_bounds__(kThreads)
    check_kernel(const Space s, const char* index, int64_t low, int64_t high, IndexErrors* errors) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= s.numel) return;
  int64_t offset[3];
  locate(s, i, offset);
  const int64_t k = at(index + offset[0]);
  if (k < low || k >= high) report_index(errors, IndexOp::index, k, high);
}

// One out of range counts as 0: check_kernel has reported it.
__global__ void __launch_bounds__(kThreads)
    offsets_kernel(const Space s, char* y, const char* index, int64_t size, int64_t stride,
                   bool first) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= s.numel) return;
  int64_t offset[3];
  locate(s, i, offset);
  int64_t k = at(index + offset[1]);
  k += k < 0 ? size : 0;
  if (k < 0 || k >= size) k = 0;
  int64_t* to = reinterpret_cast<int64_t*>(y + offset[0]);
  *to = first ? k * stride : *to + k * stride;
}

// The loop over the largest units that all rows are made of; returns their size.
int64_t widen(int64_t itemsize, IndexLoop& loop) {
  ElementIter& it = loop.it;
  if (it.ndim == 0 || it.strides[0][2] != 0) return itemsize;
  if (it.strides[0][0] != itemsize || it.strides[0][1] != itemsize) return itemsize;
  const int64_t row = it.shape[0] * itemsize;
  uint64_t bits = uint64_t(row) | uint64_t(loop.step) | 16;
  for (int k = 0; k < 2; k++) {
    bits |= reinterpret_cast<uintptr_t>(it.data[k]);
    for (int d = 1; d < it.ndim; d++) bits |= uint64_t(it.strides[d][k]);
  }
  const int64_t unit = int64_t(bits & -bits);  // what divides all of them
  if (unit <= itemsize) return itemsize;
  it.numel = it.numel / it.shape[0] * (row / unit);
  it.shape[0] = row / unit;
  it.strides[0][0] = it.strides[0][1] = unit;
  return unit;
}

template <class F>
void with_itemsize(int64_t itemsize, const F& f) {
  switch (itemsize) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    case 8:
      return f(uint64_t{});
    default:
      return f(Vec<uint32_t, 4>{});
  }
}

}  // namespace

// `found` is for the CPU: an index out of range shows at the next check of the device's errors.
void index_check(const ElementIter& it, int64_t low, int64_t high, int64_t*) {
  if (it.numel == 0) return;
  for_small_parts(it, [&](const ElementIter& part) {
    MT_LAUNCH(check_kernel, grid_for(part.numel, kThreads), kThreads, 0, stream(), space_of(part),
              part.data[0], low, high, index_errors());
  });
}

void index_offsets(const ElementIter& it, int64_t size, int64_t stride, bool first) {
  if (it.numel == 0) return;
  for_small_parts(it, [&](const ElementIter& part) {
    MT_LAUNCH(offsets_kernel, grid_for(part.numel, kThreads), kThreads, 0, mt::cuda::stream(),
              space_of(part), part.data[0], part.data[1], size, stride, first);
  });
}

void index_get(int64_t size, const IndexLoop& given) {
  if (given.it.numel == 0) return;
  IndexLoop loop = given;
  const int64_t itemsize = widen(size, loop);
  Target target = target_of(loop);
  if (loop.found) target.low = loop.low;
  for_small_parts(loop.it, [&](const ElementIter& part) {
    target.y = part.data[0];
    target.x = part.data[1];
    target.index = part.data[2];
    with_itemsize(itemsize, [&](auto bits) {
      MT_LAUNCH((get_kernel<decltype(bits)>), grid_for(part.numel, kThreads), kThreads, 0, stream(),
                space_of(part), target);
    });
  });
}

void index_set(int64_t size, const IndexLoop& given) {
  if (given.it.numel == 0 || given.size == 0) return;
  IndexLoop loop = given;
  const int64_t itemsize = widen(size, loop);
  with_itemsize(itemsize, [&](auto bits) { set_as<decltype(bits)>(loop); });
}

}  // namespace mt::cuda
