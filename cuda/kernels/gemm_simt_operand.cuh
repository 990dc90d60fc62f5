// The operands of the tile kernel (gemm_simt.cuh): matrices in memory, and how a block brings a
// slice of one through registers into shared memory.
#pragma once
#include "cuda/core/ptx_arch.cuh"
#include "cuda/core/vec.h"

namespace mt::cuda {

// A matrix in memory seen as [extent][k]; strides in elements. along_k: k is the contiguous dim.
template <class T>
struct MatrixSource {
  const T* data;
  int64_t batch, step_i, step_k, extent;
  bool along_k;
};

// Length of k in a batch, where a source has an own one.
template <class Source>
__device__ __forceinline__ int64_t depth_of(const Source&, int64_t, int64_t k) {
  return k;
}

// How a matrix is read: element by element, or in aligned vectors along its contiguous dim, which
// is given by along_k or known at compile time (which lets whole vectors go to shared memory).
enum class Access { any, vectors, along_i, along_k };

// Loads kExtent x BK.
template <class T, class S, int kExtent, int kRow, Access kAccess>
struct MatrixLoader {
  using Source = MatrixSource<T>;
  using C = typename S::C;
  static constexpr int BK = S::BK, V = S::V, E = kExtent * BK / S::kThreads;
  // Steps of a thread from element to element, where it takes them one by one.
  static constexpr int kRows = S::kThreads / BK, kColumns = S::kThreads / kExtent;

  const T* own;  // the thread's first element of the slice
  int64_t step_i, step_k;
  int rows;
  bool given_along_k;
  T held[E];

  __device__ __forceinline__ MatrixLoader(const Source& s, int64_t batch, int64_t i0, int64_t k0)
      : own(s.data + batch * s.batch + i0 * s.step_i + k0 * s.step_k),
        step_i(s.step_i),
        step_k(s.step_k),
        rows(s.extent - i0 < kExtent ? int(s.extent - i0) : kExtent),
        given_along_k(s.along_k) {
    int i, p;
    place(0, &i, &p);
    own += i * step_i + p * step_k;
  }

  __device__ __forceinline__ bool along_k() const {
    return kAccess == Access::along_k || (kAccess != Access::along_i && given_along_k);
  }
  __device__ __forceinline__ void place(int j, int* i, int* p) const {
    if constexpr (kAccess != Access::any) place_vector(threadIdx.x, j, i, p);
    else place_one(threadIdx.x, j, i, p);
  }
  __device__ __forceinline__ const T* address(int j) const {
    if (j == 0) return own;
    int i, p, i0, p0;
    place(0, &i0, &p0);
    place(j, &i, &p);
    return own + (i - i0) * step_i + (p - p0) * step_k;
  }
  // Place of the thread's j-th vector. Along k, lanes take pairs of vectors of 16 rows: whole
  // 32-byte sectors of memory, and different banks when their elements are spread over the slice.
  __device__ __forceinline__ void place_vector(int thread, int j, int* i, int* p) const {
    const int id = thread + j * S::kThreads;
    if (along_k()) {
      *p = (id % 2 + id / (2 * kExtent) * 2) * V;
      *i = id / 2 % kExtent;
    } else {
      *i = id % (kExtent / V) * V;
      *p = id / (kExtent / V);
    }
  }
  // Both ways step evenly from element to element, so that one set of addresses serves them.
  __device__ __forceinline__ void place_one(int thread, int j, int* i, int* p) const {
    static_assert(S::kThreads % BK == 0 && S::kThreads % kExtent == 0);
    *i = (along_k() ? thread / BK : thread % kExtent) + j * (along_k() ? kRows : 0);
    *p = (along_k() ? thread % BK : thread / kExtent) + j * (along_k() ? 0 : kColumns);
  }

  // The next slice, of which `depth` are left; BK or more is all of it.
  __device__ __forceinline__ void fetch(int depth) {
    if constexpr (kAccess != Access::any) {
#pragma unroll
      for (int j = 0; j < E / V; j++) {
        int i, p;
        place(j, &i, &p);
        const int room = along_k() ? (i < rows ? depth - p : 0) : (p < depth ? rows - i : 0);
        const T* at = address(j);
        if (room >= V) {
          const Vec<T, V> v = *reinterpret_cast<const Vec<T, V>*>(at);
#pragma unroll
          for (int e = 0; e < V; e++) held[j * V + e] = v.v[e];
        } else {
#pragma unroll
          for (int e = 0; e < V; e++) held[j * V + e] = e < room ? at[e] : T{};
        }
      }
    } else {
      const int64_t step = along_k() ? kRows * step_i : kColumns * step_k;
      const T* at = own;
      const int thread = ptx::opaque(int(threadIdx.x));
#pragma unroll
      for (int j = 0; j < E; j++, at += step) {
        int i, p;
        place_one(thread, j, &i, &p);
        held[j] = i < rows && p < depth ? *at : T{};
      }
    }
    own += BK * step_k;
  }

  __device__ __forceinline__ void put(Shared<C> tile) const {
    // Addresses are found anew: the sums leave no registers to keep them in.
    const int thread = ptx::opaque(int(threadIdx.x));
    if constexpr (kAccess != Access::any) {
#pragma unroll
      for (int j = 0; j < E / V; j++) {
        int i, p;
        place_vector(thread, j, &i, &p);
        if (along_k()) {
#pragma unroll
          for (int e = 0; e < V; e++) tile[(p + e) * kRow + i] = C(load(held[j * V + e]));
        } else {
          Vec<C, V> v;
#pragma unroll
          for (int e = 0; e < V; e++) v.v[e] = C(load(held[j * V + e]));
          shared_cast<Vec<C, V>>(tile + (p * kRow + i))[0] = v;
        }
      }
    } else {
      int i, p;
      place_one(thread, 0, &i, &p);
      tile = tile + (p * kRow + i);
#pragma unroll
      for (int j = 0; j < E; j++) {
        tile[0] = C(load(held[j]));
        tile = tile + (along_k() ? kRows : kColumns * kRow);
      }
    }
  }
};
template <class T, class S, Access kAccess>
using LoadRowsA = MatrixLoader<T, S, S::BM, S::kRowA, kAccess>;
template <class T, class S, Access kAccess>
using LoadColumnsB = MatrixLoader<T, S, S::BN, S::kRowB, kAccess>;

}  // namespace mt::cuda
