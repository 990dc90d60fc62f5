// y = x[k], x[k] = v, x[k] += v for indices k along one dim (several indexed dims come combined
// into offsets). Forward of gather, index_select, embedding; backward of all of them.
//
// Indices are checked where they are used: one out of range is reported (cuda/core/index_error.h)
// and its element left out, so no access leaves x.
//
// Several elements may address the same place of x; the result never depends on the order in which
// threads run. Writes: a first pass notes the last writer of each place, a second one lets it
// write. Sums: the elements are sorted by place, and each place's elements are added up in the
// order of the loop by one thread per element of a row. Bytes: index, values and x once; sums add
// the sort of the indices that differ (sort.cu), writes 4 bytes per element of x's extent.
#include "ops/index.h"

#include "cuda/core/index_error.h"
#include "cuda/core/scratch.h"
#include "cuda/kernels/elementwise.cuh"
#include "cuda/kernels/sort.cuh"

namespace mt::cuda {
namespace {

__device__ __forceinline__ int64_t at(const char* index) {
  return *reinterpret_cast<const int64_t*>(index);
}

// An index space of fewer than 2^31 elements with up to three operands.
struct Space {
  uint32_t numel;
  int ndim;
  Divider shape[kMaxIterDims];
  int64_t strides[kMaxIterDims][3];
};

template <class Keep>
Space space_of(const ElementIter& it, const Keep& keep) {
  Space s;
  s.ndim = 0;
  int64_t numel = 1;
  for (int d = 0; d < it.ndim; d++) {
    if (!keep(d)) continue;
    numel *= it.shape[d];
    s.shape[s.ndim] = Divider(uint32_t(it.shape[d]));
    for (int k = 0; k < 3; k++) s.strides[s.ndim][k] = k < it.nargs ? it.strides[d][k] : 0;
    s.ndim++;
  }
  MT_CHECK(numel <= 0x7fffffff, "index: an index of ", numel,
           " elements is too large for the GPU's kernels (2^31 - 1)");
  s.numel = uint32_t(numel);
  return s;
}
Space space_of(const ElementIter& it) {
  return space_of(it, [](int) { return true; });
}

__device__ __forceinline__ void locate(const Space& s, uint32_t i, int64_t (&offset)[3]) {
  offset[0] = offset[1] = offset[2] = 0;
  for (int d = 0; d < s.ndim; d++) {
    uint32_t index;
    i = s.shape[d].divide(i, &index);
    for (int k = 0; k < 3; k++) offset[k] += index * s.strides[d][k];
  }
}

// What a kernel needs of an IndexLoop beside its space.
struct Target {
  char *y, *x;
  const char* index;
  int64_t step, size, low, skip;
  IndexErrors* errors;
};

Target target_of(const IndexLoop& loop) {
  return {loop.it.data[0], loop.it.data[1], loop.it.data[2], loop.step,
          loop.size,       -loop.size,      loop.skip,       index_errors()};
}

// The wrapped index, or -1 where the element takes no part.
__device__ __forceinline__ int64_t checked(const Target& t, int64_t k) {
  if (k < t.low || k >= t.size) {
    report_index(t.errors, IndexOp::index, k, t.size);
    return -1;
  }
  k += k < 0 ? t.size : 0;
  return k == t.skip ? -1 : k;
}

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

// Bytes from x's first addressed element to behind its last one.
int64_t extent(const IndexLoop& loop, int64_t itemsize) {
  int64_t last = (loop.size - 1) * loop.step;
  for (int d = 0; d < loop.it.ndim; d++) last += (loop.it.shape[d] - 1) * loop.it.strides[d][1];
  return last + itemsize;
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

// --- sums

// Of each element that has an index of its own: the place of x in elements, or `none`.
template <class K>
__global__ void __launch_bounds__(kThreads)
    place_kernel(const Space s, const Target t, int itemsize, K none, K* places) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= s.numel) return;
  int64_t offset[3];
  locate(s, i, offset);
  const int64_t k = checked(t, at(t.index + offset[2]));
  places[i] = k < 0 ? none : K((offset[1] + k * t.step) / itemsize);
}

template <IndexReduce op, class T>
__device__ __forceinline__ T combine(T a, T b) {
  if constexpr (op == IndexReduce::add) return T(a + b);
  if constexpr (op == IndexReduce::mul) return T(a * b);
  // A NaN on either side stays.
  if constexpr (op == IndexReduce::amin) return b < a || b != b ? b : a;
  return b > a || b != b ? b : a;
}

// Threads along x: the elements of a row; blocks along y: places in the sorted order, of which
// those work that begin a run of equal places.
template <IndexReduce op, class T, class K>
__global__ void __launch_bounds__(kThreads)
    reduce_kernel(const Space own, const Space row, const Target t, K none, const K* places,
                  const uint32_t* order) {
  const uint32_t r = blockIdx.x * blockDim.x + threadIdx.x;
  if (r >= row.numel) return;
  int64_t in_row[3];
  locate(row, r, in_row);
  for (uint32_t j = blockIdx.y * blockDim.y + threadIdx.y; j < own.numel;
       j += gridDim.y * blockDim.y) {
    const K place = places[order[j]];
    if (place == none || (j > 0 && places[order[j - 1]] == place)) continue;
    T* to = reinterpret_cast<T*>(t.x + int64_t(place) * int64_t(sizeof(T)) + in_row[1]);
    T sum = *to;
    for (uint32_t e = j; e < own.numel && places[order[e]] == place; e++) {
      int64_t offset[3];
      locate(own, order[e], offset);
      sum = combine<op, T>(sum, *reinterpret_cast<const T*>(t.y + offset[0] + in_row[0]));
    }
    *to = sum;
  }
}

template <IndexReduce op, class T, class K>
void reduce_by(const IndexLoop& loop, const Space& own, const Space& row, DType key) {
  const K none = sizeof(K) == 4 ? K(0x7fffffff) : K(INT64_MAX);
  const Target target = target_of(loop);
  Scratch places(own.numel * sizeof(K)), order(own.numel * sizeof(uint32_t));
  MT_LAUNCH((place_kernel<K>), grid_for(own.numel, kThreads), kThreads, 0, stream(), own, target,
            int(sizeof(T)), none, places.as<K>());
  Sorted to;
  to.order = order.as<uint32_t>();
  sort_rows(key, false, places.as<void>(), 1, own.numel, to);
  unsigned across = 1;
  while (across < row.numel && across < kThreads) across *= 2;
  const dim3 block{across, unsigned(kThreads) / across};
  const dim3 grid{grid_for(row.numel, across), grid_for(own.numel, block.y, 65535)};
  MT_LAUNCH((reduce_kernel<op, T, K>), grid, block, 0, stream(), own, row, target, none,
            places.as<K>(), order.as<uint32_t>());
}

template <IndexReduce op, class T>
void reduce_typed(const IndexLoop& loop) {
  // Dims along which the index stays and x moves are the row of an index.
  const auto is_row = [&](int d) { return !loop.it.strides[d][2] && loop.it.strides[d][1]; };
  const Space own = space_of(loop.it, [&](int d) { return !is_row(d); });
  const Space row = space_of(loop.it, is_row);
  if (extent(loop, sizeof(T)) / int64_t(sizeof(T)) < 0x7fffffff)
    reduce_by<op, T, int32_t>(loop, own, row, DType::Int32);
  else reduce_by<op, T, int64_t>(loop, own, row, DType::Int64);
}

template <class T>
void reduce_op(IndexReduce op, const IndexLoop& loop) {
  switch (op) {
    case IndexReduce::add:
      return reduce_typed<IndexReduce::add, T>(loop);
    case IndexReduce::mul:
      return reduce_typed<IndexReduce::mul, T>(loop);
    case IndexReduce::amin:
      return reduce_typed<IndexReduce::amin, T>(loop);
    default:
      return reduce_typed<IndexReduce::amax, T>(loop);
  }
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

template <class F>
void with_itemsize(int64_t itemsize, const F& f) {
  switch (itemsize) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    default:
      return f(uint64_t{});
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

void index_get(int64_t itemsize, const IndexLoop& loop) {
  if (loop.it.numel == 0) return;
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

void index_set(int64_t itemsize, const IndexLoop& loop) {
  if (loop.it.numel == 0 || loop.size == 0) return;
  with_itemsize(itemsize, [&](auto bits) { set_as<decltype(bits)>(loop); });
}

void index_reduce(DType dtype, IndexReduce op, const IndexLoop& loop) {
  if (loop.it.numel == 0 || loop.size == 0) return;
  MT_SWITCH_INT_FLOAT(dtype, reduce_op<scalar_t>(op, loop))
  if (dtype != DType::Bool) return;
  // Bool: a sum is "or", a product "and".
  IndexReduce bits = op == IndexReduce::add   ? IndexReduce::amax
                     : op == IndexReduce::mul ? IndexReduce::amin
                                              : op;
  reduce_op<uint8_t>(bits, loop);
}

}  // namespace mt::cuda
