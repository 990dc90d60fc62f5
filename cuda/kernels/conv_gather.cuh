// Operands of convolutions as matrices that nobody writes down: their elements are gathered from
// images while they are loaded to shared memory.
#pragma once
#include "cuda/kernels/conv_taps.cuh"
#include "cuda/kernels/gemm_simt_matrix.cuh"

namespace mt::cuda {

// The images that elements are gathered from. A position i has its origin at i * step + shift.
template <class T>
struct Images {
  const T* data;
  int64_t image, group;  // elements per image, and per group of channels
  int size[3], step[3], shift[3];
  Positions positions;

  // Origin of a position and its address, which may lie outside of the image.
  __device__ __forceinline__ const T* origin(uint32_t j, int64_t g, int (&at)[3]) const {
    int b, i[3];
    positions.locate(j, &b, i);
#pragma unroll
    for (int d = 0; d < 3; d++) at[d] = i[d] * step[d] + shift[d];
    return data + b * image + g * group + ((int64_t(at[0]) * size[1] + at[1]) * size[2] + at[2]);
  }
};

// [position][k]: k is a channel and a tap, of which each class of batches has its own list.
template <class T>
struct PatchSource {
  Images<T> images;
  const Tap* taps;   // [classes][row]
  const int* depth;  // [classes]: taps in use
  int row;
  Divider groups;  // batch = class * groups + group
  int64_t extent;  // positions
};

template <class T>
__device__ __forceinline__ int64_t depth_of(const PatchSource<T>& s, int64_t batch, int64_t) {
  uint32_t g;
  return s.depth[s.groups.divide(uint32_t(batch), &g)];
}

// Columns of B: a thread stays with one position, and its warp reads neighbouring ones.
template <class T, class S>
struct PatchLoader {
  using Source = PatchSource<T>;
  static constexpr int E = S::BN * S::BK / S::kThreads, kStep = S::kThreads / S::BN;
  static_assert(S::kThreads % S::BN == 0);

  const Images<T>& images;
  const T* base;
  const Tap* taps;
  int at[3];
  T held[E];

  __device__ __forceinline__ PatchLoader(const Source& s, int64_t batch, int64_t j0, int64_t k0)
      : images(s.images) {
    uint32_t g;
    const uint32_t kind = s.groups.divide(uint32_t(batch), &g);
    taps = s.taps + int64_t(kind) * s.row + k0;
    const int64_t j = j0 + threadIdx.x % S::BN;
    base = s.images.origin(uint32_t(j < s.extent ? j : 0), g, at);
    if (j >= s.extent) at[0] = kNoTap;
  }

  __device__ __forceinline__ void fetch(int depth) {
#pragma unroll
    for (int e = 0; e < E; e++) {
      const int p = threadIdx.x / S::BN + e * kStep;
      held[e] = T(0);
      if (p < depth) {
        const Tap tap = taps[p];
        if (is_inside(at, tap, images.size)) held[e] = base[tap.offset];
      }
    }
    taps += S::BK;
  }

  __device__ __forceinline__ void put(Shared<T> tile) const {
#pragma unroll
    for (int e = 0; e < E; e++)
      tile[(threadIdx.x / S::BN + e * kStep) * S::kRowB + threadIdx.x % S::BN] = held[e];
  }
};

// [channel][k] of images in memory, k a position: the gradient dy.
template <class T>
struct PlaneSource {
  const T* data;
  int64_t image, group, plane, extent;
  Divider positions;  // of a plane
};

// A thread stays with one k per slice; its warp reads neighbouring ones.
template <class T, class S>
struct PlaneLoader {
  using Source = PlaneSource<T>;
  static constexpr int E = S::BM * S::BK / S::kThreads, kStep = S::kThreads / S::BK;

  const Source& s;
  const T* base;
  int rows;
  uint32_t k;
  T held[E];

  __device__ __forceinline__ PlaneLoader(const Source& source, int64_t batch, int64_t i0,
                                         int64_t k0)
      : s(source),
        base(s.data + batch * s.group + i0 * s.plane),
        rows(s.extent - i0 < S::BM ? int(s.extent - i0) : S::BM),
        k(uint32_t(k0) + threadIdx.x % S::BK) {}

  __device__ __forceinline__ void fetch(int depth) {
    uint32_t q;
    const uint32_t image = s.positions.divide(k, &q);
    const T* at = base + image * s.image + q;
    const bool there = int(threadIdx.x % S::BK) < depth;
#pragma unroll
    for (int e = 0; e < E; e++) {
      const int i = threadIdx.x / S::BK + e * kStep;
      held[e] = there && i < rows ? at[i * s.plane] : T(0);
    }
    k += S::BK;
  }

  __device__ __forceinline__ void put(Shared<T> tile) const {
#pragma unroll
    for (int e = 0; e < E; e++)
      tile[threadIdx.x % S::BK * S::kRowA + threadIdx.x / S::BK + e * kStep] = held[e];
  }
};

// [channel and tap][k], k a position: the patches of x.
template <class T>
struct TapSource {
  Images<T> images;
  const Tap* taps;
  int64_t extent;
};

template <class T, class S>
struct TapLoader {
  using Source = TapSource<T>;
  static constexpr int E = S::BN * S::BK / S::kThreads, kStep = S::kThreads / S::BK;

  const Source& s;
  const Tap* taps;
  int64_t group;
  int columns;
  uint32_t k;
  T held[E];

  __device__ __forceinline__ TapLoader(const Source& source, int64_t batch, int64_t j0, int64_t k0)
      : s(source),
        taps(s.taps + j0),
        group(batch),
        columns(s.extent - j0 < S::BN ? int(s.extent - j0) : S::BN),
        k(uint32_t(k0) + threadIdx.x % S::BK) {}

  __device__ __forceinline__ void fetch(int depth) {
    const bool there = int(threadIdx.x % S::BK) < depth;
    int at[3];
    const T* base = s.images.origin(there ? k : 0, group, at);
#pragma unroll
    for (int e = 0; e < E; e++) {
      const int i = threadIdx.x / S::BK + e * kStep;
      held[e] = T(0);
      if (there && i < columns) {
        const Tap tap = taps[i];
        if (is_inside(at, tap, s.images.size)) held[e] = base[tap.offset];
      }
    }
    k += S::BK;
  }

  __device__ __forceinline__ void put(Shared<T> tile) const {
#pragma unroll
    for (int e = 0; e < E; e++)
      tile[threadIdx.x % S::BK * S::kRowB + threadIdx.x / S::BK + e * kStep] = held[e];
  }
};

// y[image][channel][i * step + class] with a bias per channel.
template <class T>
struct ImageStore {
  T* y;
  const T* bias;
  int64_t image, plane, channels;  // channels of a group
  int size[3], step[3];
  Positions positions;
  Divider groups;
  bool vector;  // positions are places in the plane, and vectors are aligned and never cross one

  __device__ __forceinline__ bool finishes() const { return bias != nullptr; }
  __device__ __forceinline__ T finish(int64_t batch, int64_t i, int64_t, T x) const {
    uint32_t g;
    groups.divide(uint32_t(batch), &g);
    return x + bias[g * channels + i];
  }

  template <int V>
  __device__ __forceinline__ void put(int64_t batch, int64_t i, int64_t j, const Vec<T, V>& piece,
                                      int count) const {
    uint32_t g, r[3];
    uint32_t kind = groups.divide(uint32_t(batch), &g);
#pragma unroll
    for (int d = 2; d >= 0; d--) {
      r[d] = kind % unsigned(step[d]);
      kind /= unsigned(step[d]);
    }
    T* channel = y + (g * channels + i) * plane;
#pragma unroll
    for (int e = 0; e < V; e++) {
      if (e >= count) break;
      int b, at[3];
      positions.locate(uint32_t(j + e), &b, at);
#pragma unroll
      for (int d = 0; d < 3; d++) at[d] = at[d] * step[d] + int(r[d]);
      if (at[0] >= size[0] || at[1] >= size[1] || at[2] >= size[2]) continue;
      T* to = channel + b * image + ((int64_t(at[0]) * size[1] + at[1]) * size[2] + at[2]);
      if (vector && count >= V) {
        *reinterpret_cast<Vec<T, V>*>(to) = piece;
        break;
      }
      *to = piece.v[e];
    }
  }
};

}  // namespace mt::cuda
