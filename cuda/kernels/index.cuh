// An IndexLoop as kernels see it: which element of x the i-th of the loop addresses.
#pragma once
#include "cuda/core/divide.h"
#include "cuda/core/index_error.h"
#include "cuda/core/launch.h"
#include "cuda/kernels/elementwise.cuh"
#include "ops/index.h"

namespace mt::cuda {

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
inline Space space_of(const ElementIter& it) {
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

inline Target target_of(const IndexLoop& loop) {
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

// Bytes from x's first addressed element to behind its last one.
inline int64_t extent(const IndexLoop& loop, int64_t itemsize) {
  int64_t last = (loop.size - 1) * loop.step;
  for (int d = 0; d < loop.it.ndim; d++) last += (loop.it.shape[d] - 1) * loop.it.strides[d][1];
  return last + itemsize;
}

}  // namespace mt::cuda
