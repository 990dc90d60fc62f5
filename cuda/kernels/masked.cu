// masked_fill: y = mask ? value : x, one pass.
// masked_select, masked_scatter, nonzero: one pass that counts per chunk, one that moves; a block
// takes a chunk, a warp a run of kRun elements of it, whose places follow from the warps' votes.
// Bytes: two reads of the mask, one read of the input, one write per chosen element.
#include "ops/masked.h"

#include "cuda/kernels/elementwise.cuh"

namespace mt::cuda {
namespace {

constexpr int kWarps = kThreads / 32;
constexpr int kRun = int(kMaskChunkCuda) / kWarps, kRounds = kRun / 32;
constexpr unsigned kAll = 0xffffffffu;

// Which elements of its run a warp finds true: a vote of 32 per round, and their number.
__device__ __forceinline__ int vote(const bool* mask, int64_t n, int64_t first,
                                    unsigned (&votes)[kRounds]) {
  const int lane = threadIdx.x % 32;
  int count = 0;
#pragma unroll
  for (int r = 0; r < kRounds; r++) {
    const int64_t i = first + r * 32 + lane;
    votes[r] = __ballot_sync(kAll, i < n && mask[i]);
    count += __popc(votes[r]);
  }
  return count;
}

__global__ void __launch_bounds__(kThreads)
    mask_count_kernel(const bool* mask, int64_t n, int64_t* counts) {
  MT_SHARED(int, found, kWarps);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  unsigned votes[kRounds];
  const int count = vote(mask, n, blockIdx.x * kMaskChunkCuda + warp * kRun, votes);
  if (lane == 0) found[warp] = count;
  __syncthreads();
  if (threadIdx.x == 0) {
    int total = 0;
    for (int w = 0; w < kWarps; w++) total += found[w];
    counts[blockIdx.x] = total;
  }
}

// f(i, place): element i is the chosen one number `place`.
template <class F>
__device__ __forceinline__ void each_chosen(const bool* mask, int64_t n, const int64_t* starts,
                                            const F& f) {
  MT_SHARED(int, found, kWarps);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int64_t first = blockIdx.x * kMaskChunkCuda + warp * kRun;
  unsigned votes[kRounds];
  const int count = vote(mask, n, first, votes);
  if (lane == 0) found[warp] = count;
  __syncthreads();
  int64_t place = starts[blockIdx.x];
  for (int w = 0; w < warp; w++) place += found[w];
#pragma unroll
  for (int r = 0; r < kRounds; r++) {
    if (votes[r] >> lane & 1) f(first + r * 32 + lane, place + __popc(votes[r] << (31 - lane)) - 1);
    place += __popc(votes[r]);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    select_kernel(const T* x, const bool* mask, int64_t n, const int64_t* starts, T* y) {
  each_chosen(mask, n, starts, [=](int64_t i, int64_t place) { y[place] = x[i]; });
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    scatter_kernel(T* y, const bool* mask, int64_t n, const int64_t* starts, const T* src) {
  each_chosen(mask, n, starts, [=](int64_t i, int64_t place) { y[i] = src[place]; });
}

__global__ void __launch_bounds__(kThreads)
    places_kernel(const bool* mask, int64_t n, const int64_t* starts, const MaskShape shape,
                  int64_t* out, int64_t row, int64_t col) {
  each_chosen(mask, n, starts, [&](int64_t i, int64_t place) {
    for (int d = shape.ndim - 1; d > 0; d--) {
      const int64_t rest = i / shape.sizes[d];
      out[place * row + d * col] = i - rest * shape.sizes[d];
      i = rest;
    }
    out[place * row] = i;
  });
}

// One block; every thread a run of each stretch of kStretch elements.
constexpr int kScanThreads = 1024, kScanRun = 4, kStretch = kScanThreads * kScanRun;

__global__ void __launch_bounds__(kScanThreads) running_starts_kernel(int64_t* v, int64_t n) {
  MT_SHARED(int64_t, sums, 32);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  int64_t before = 0;
  for (int64_t first = 0; first < n; first += kStretch) {
    const int64_t at = first + int64_t(threadIdx.x) * kScanRun;
    int64_t run[kScanRun], own = 0;
#pragma unroll
    for (int k = 0; k < kScanRun; k++) own += run[k] = at + k < n ? v[at + k] : 0;
    int64_t upto = own;  // of the warp's threads, this one included
    for (int step = 1; step < 32; step *= 2) {
      const int64_t other = __shfl_up_sync(kAll, upto, step);
      if (lane >= step) upto += other;
    }
    if (lane == 31) sums[warp] = upto;
    __syncthreads();
    int64_t start = before + upto - own, total = 0;
    for (int w = 0; w < kScanThreads / 32; w++) {
      const int64_t sum = sums[w];
      if (w < warp) start += sum;
      total += sum;
    }
    before += total;
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kScanRun; k++) {
      if (at + k < n) v[at + k] = start;
      start += run[k];
    }
  }
  if (threadIdx.x == 0) v[n] = before;
}

// Rows that are contiguous and aligned, in vectors of kVector elements: {y, x, mask}.
template <class T>
__global__ void __launch_bounds__(kThreads)
    fill_vector_kernel(const Loop<3> loop, T number, const T* value) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= loop.numel) return;
  int64_t offset[3];
  locate(loop, i, offset);
  const auto x = *reinterpret_cast<const Vec<T, kVector>*>(loop.arg[1].data + offset[1]);
  const auto mask = *reinterpret_cast<const Vec<bool, kVector>*>(loop.arg[2].data + offset[2]);
  const T v = value ? *value : number;
  Vec<T, kVector> y;
#pragma unroll
  for (int k = 0; k < kVector; k++) y.v[k] = mask.v[k] ? v : x.v[k];
  *reinterpret_cast<Vec<T, kVector>*>(loop.arg[0].data + offset[0]) = y;
}

template <class T>
bool fill_vectors(const ElementIter& given, DType bits, bool number) {
  const OperandTypes types{{bits, bits, DType::Bool}};
  ElementIter it = given;
  it.nargs = 3;
  if (it.ndim == 0 || it.strides[0][1] == 0 || it.strides[0][2] == 0) return false;
  if (!take_vectors(it, types)) return false;
  T v = 0;
  if (number) memcpy(&v, given.data[3], sizeof v);
  const T* value = number ? nullptr : reinterpret_cast<const T*>(given.data[3]);
  for_small_parts(it, [&](const ElementIter& part) {
    const auto loop = loop_of<3>(part, types, DType::Int64);
    MT_LAUNCH((fill_vector_kernel<T>), grid_for(part.numel, kThreads), kThreads, 0, stream(), loop,
              v, value);
  });
  return true;
}

struct fill_f {
  __device__ int64_t operator()(int64_t x, int64_t mask, int64_t value) const {
    return mask ? value : x;
  }
};

// The integer of an element's size: bits that are only moved.
constexpr DType bits_type(int64_t itemsize) {
  return itemsize == 1   ? DType::UInt8
         : itemsize == 2 ? DType::Int16
         : itemsize == 4 ? DType::Int32
                         : DType::Int64;
}

template <class F>
void by_size(int64_t itemsize, const F& f) {
  if (itemsize == 1) return f(uint8_t{});
  if (itemsize == 2) return f(uint16_t{});
  if (itemsize == 4) return f(uint32_t{});
  f(uint64_t{});
}

unsigned chunks_of(int64_t n) { return grid_for(n, kMaskChunkCuda); }

}  // namespace

void masked_fill(int64_t itemsize, const ElementIter& given, bool number) {
  if (given.numel == 0) return;
  const DType bits = bits_type(itemsize);
  bool done = false;
  by_size(itemsize,
          [&](auto example) { done = fill_vectors<decltype(example)>(given, bits, number); });
  if (done) return;
  ElementIter it = given;
  int64_t value = 0;
  if (number) {
    memcpy(&value, it.data[3], size_t(itemsize));
    it.data[3] = reinterpret_cast<char*>(&value);
  }
  run_elementwise<int64_t, int64_t, 3>(
      it, {{bits, bits, DType::Bool, bits}, uint8_t(number ? 8 : 0)}, fill_f{});
}

void mask_count(const bool* mask, int64_t n, int64_t, int64_t* counts) {
  if (n == 0) return;
  MT_LAUNCH(mask_count_kernel, chunks_of(n), kThreads, 0, stream(), mask, n, counts);
}

void running_starts(int64_t* v, int64_t n) {
  MT_LAUNCH(running_starts_kernel, 1, kScanThreads, 0, stream(), v, n);
}

void mask_places(const bool* mask, int64_t n, int64_t, const int64_t* starts,
                 const MaskShape& shape, int64_t* out, int64_t row, int64_t col) {
  if (n == 0 || shape.ndim == 0) return;
  MT_LAUNCH(places_kernel, chunks_of(n), kThreads, 0, stream(), mask, n, starts, shape, out, row,
            col);
}

void masked_select(int64_t itemsize, const void* x, const bool* mask, int64_t n, int64_t,
                   const int64_t* starts, void* y) {
  if (n == 0) return;
  by_size(itemsize, [&](auto example) {
    using T = decltype(example);
    MT_LAUNCH((select_kernel<T>), chunks_of(n), kThreads, 0, stream(), static_cast<const T*>(x),
              mask, n, starts, static_cast<T*>(y));
  });
}

void masked_scatter(int64_t itemsize, void* y, const bool* mask, int64_t n, int64_t,
                    const int64_t* starts, const void* src) {
  if (n == 0) return;
  by_size(itemsize, [&](auto example) {
    using T = decltype(example);
    MT_LAUNCH((scatter_kernel<T>), chunks_of(n), kThreads, 0, stream(), static_cast<T*>(y), mask, n,
              starts, static_cast<const T*>(src));
  });
}

}  // namespace mt::cuda
