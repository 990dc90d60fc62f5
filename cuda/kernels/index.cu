// y = x[k], x[k] = v, x[k] += v for indices k along one dim (several indexed dims come combined
// into offsets). Forward of gather, index_select, embedding; backward of all of them.
//
// Indices are checked where they are used: one out of range is reported (cuda/core/index_error.h)
// and its element left out, so no access leaves x.
//
// Several elements may address the same place of x; the result never depends on the order in which
// threads run. Writes to a large part of x: a first pass notes the last writer of each place, a
// second one lets it write. Writes to few places of a large x: the index is sorted by place, and
// the last element of each place writes its row. Sums are in index_reduce.cu. Rows that are
// contiguous are moved in units of 16 bytes. Bytes: index, values and x once; writes up to 16 bytes
// per unit written for the notes.
#include "ops/index.h"

#include "cuda/kernels/index_places.cuh"

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

// wins[i]: no element behind i addresses the same place.
template <class K>
__global__ void __launch_bounds__(kThreads)
    wins_kernel(const K* keys, const uint32_t* order, uint32_t n, bool* wins) {
  const uint32_t j = blockIdx.x * kThreads + threadIdx.x;
  if (j < n) wins[order[j]] = j + 1 == n || keys[j + 1] != keys[j];
}

// Threads along x: the units of a row; along y: elements of the index.
template <class T>
__global__ void __launch_bounds__(kThreads)
    set_rows_kernel(const Space own, const Space row, const Target t, const bool* wins) {
  const uint32_t r = blockIdx.x * blockDim.x + threadIdx.x;
  if (r >= row.numel) return;
  int64_t in_row[3];
  locate(row, r, in_row);
  for (uint32_t i = blockIdx.y * blockDim.y + threadIdx.y; i < own.numel;
       i += gridDim.y * blockDim.y) {
    if (!wins[i]) continue;
    int64_t offset[3];
    locate(own, i, offset);
    const int64_t k = checked(t, at(t.index + offset[2]));
    if (k < 0) continue;
    *reinterpret_cast<T*>(t.x + offset[1] + in_row[1] + k * t.step) =
        *reinterpret_cast<const T*>(t.y + offset[0] + in_row[0]);
  }
}

template <class K>
void find_winners(const IndexLoop& loop, const Space& own, const Places& places, bool* wins) {
  const SortedPlaces<K> sorted(loop, own, places);
  MT_LAUNCH((wins_kernel<K>), grid_for(own.numel, kThreads), kThreads, 0, stream(), sorted.keys(),
            sorted.order(), own.numel, wins);
}

template <class T>
void set_rows(const IndexLoop& loop) {
  const Space own = own_space(loop.it), row = row_space(loop.it);
  const Places places = places_of(loop, own);
  const Scratch wins(own.numel);
  if (own.numel == 1) MT_CUDA_CHECK(cudaMemsetAsync(wins.as<void>(), 1, 1, stream()));
  else if (places.fit_32_bits()) find_winners<uint32_t>(loop, own, places, wins.as<bool>());
  else find_winners<uint64_t>(loop, own, places, wins.as<bool>());
  unsigned across = 1;
  while (across < row.numel && across < unsigned(kThreads)) across *= 2;
  const dim3 block{across, unsigned(kThreads) / across};
  const dim3 grid{grid_for(row.numel, across), grid_for(own.numel, block.y, 65535)};
  MT_LAUNCH((set_rows_kernel<T>), grid, block, 0, stream(), own, row, target_of(loop),
            wins.as<bool>());
}

template <class T>
void set_as(const IndexLoop& loop) {
  const int64_t units = extent(loop, sizeof(T)) / int64_t(sizeof(T));
  if (units > 4 * loop.it.numel) return set_rows<T>(loop);
  const Space space = space_of(loop.it);
  const Target target = target_of(loop);
  const size_t bytes = size_t(units) * sizeof(uint32_t);
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
