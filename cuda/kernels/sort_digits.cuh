// What sorting and selecting share: keys in as few bits as their dtype has, and the places of a
// tile's elements by one digit of their keys.
#pragma once
#include "cuda/core/launch.h"
#include "cuda/core/reduce.h"
#include "kernels/sort_keys.h"

namespace mt::cuda {

// Keys whose unsigned order is the order of the elements, in the low kBits: NaN last (kLast), -0
// equal to 0.
template <class S>
struct SortKeys {
  using Key = typename fn::Keys<S>::Key;
  static constexpr bool kFloat = __is_same(compute_t<S>, float) || __is_same(S, double);
  static constexpr int kBits = sizeof(S) * 8;
  static constexpr Key kLast = ~Key(0) >> (int(sizeof(Key)) * 8 - kBits);
  static constexpr Key kSign = Key(1) << (kBits - 1);
  static constexpr bool kNarrowFloat = kFloat && sizeof(S) == 2;

  static MT_INLINE Key of(S v) {
    if constexpr (kNarrowFloat) {
      constexpr uint32_t infinity = __is_same(S, float16) ? 0x7c00u : 0x7f80u;
      const uint32_t u = v.bits, size = u & 0x7fffu;
      const uint32_t key = (u & 0x8000u) && size ? ~u & 0xffffu : u | 0x8000u;
      return size > infinity ? kLast : key;
    } else if constexpr (sizeof(S) < 4) {
      return (uint32_t(v) & kLast) ^ (S(-1) < S(0) ? kSign : 0u);
    } else {
      return fn::Keys<S>::of(v);
    }
  }
  // The element, of which `exact` says whether the key knows all bits.
  static MT_INLINE S value(Key k) {
    if constexpr (kNarrowFloat) return S{uint16_t(k & kSign ? k ^ kSign : ~k)};
    else if constexpr (sizeof(S) < 4) return S(k ^ (S(-1) < S(0) ? kSign : 0u));
    else return fn::Keys<S>::value(k);
  }
  static MT_INLINE bool exact(Key k) { return !kFloat || (k != kSign && k != kLast); }
};

constexpr int kDigits = 256;  // also the threads of a block: one per digit
constexpr int kDigitWarps = kDigits / kWarp;

// Elements per thread of a long row's tile of keys K. Thread t has the elements tile_place(r) of
// its tile, in the order of which elements of equal digits stay.
template <class K>
constexpr int kTileItems = sizeof(K) == 4 ? 16 : 8;
template <class K>
constexpr int kTile = kTileItems<K> * kDigits;
template <int R>
__device__ __forceinline__ int tile_place(int r) {
  return warp_index() * (kWarp * R) + r * kWarp + lane_index();
}

// Places in a tile, two in a register.
template <int R>
struct TilePlaces {
  uint32_t word[R / 2];

  __device__ __forceinline__ int get(int r) const {
    return int(r % 2 ? word[r / 2] >> 16 : word[r / 2] & 0xffffu);
  }
  // For r = 0, 1 ... in turn.
  __device__ __forceinline__ void set(int r, uint32_t place) {
    word[r / 2] = r % 2 ? word[r / 2] | place << 16 : place;
  }
  // Adds without a carry into the other one.
  __device__ __forceinline__ void add(int r, uint32_t n) { word[r / 2] += r % 2 ? n << 16 : n; }
};

// Sums of all threads before this one.
__device__ __forceinline__ uint64_t block_sum_before(uint64_t own) {
  MT_SHARED(uint64_t, warp_sums, kWarp);
  const int lane = lane_index(), warp = warp_index();
  uint64_t sum = own;
#pragma unroll
  for (int d = 1; d < kWarp; d *= 2) {
    const uint64_t other = __shfl_up_sync(kAllLanes, sum, d);
    if (lane >= d) sum += other;
  }
  if (lane == kWarp - 1) warp_sums[warp] = sum;
  __syncthreads();
  uint64_t before = sum - own;
  for (int w = 0; w < warp; w++) {
    const uint64_t of_warp = warp_sums[w];
    before += of_warp;
  }
  __syncthreads();
  return before;
}

// The lanes that have the same digit of 8 bits.
__device__ __forceinline__ uint32_t lanes_with(int digit) {
  uint32_t same = kAllLanes;
#pragma unroll
  for (int bit = 0; bit < 8; bit++) {
    const bool set = digit >> bit & 1;
    const uint32_t ones = __ballot_sync(kAllLanes, set);
    same &= set ? ones : ~ones;
  }
  return same;
}

// counts[digit]++ for the lanes that take part. All lanes of the warp call it. A digit that all of
// them share, as the high digits of floats often are, is one addition.
__device__ __forceinline__ void count_digit(Shared<uint32_t> counts, int digit, bool takes_part) {
  const uint32_t lanes = __ballot_sync(kAllLanes, takes_part);
  if (lanes == 0) return;
  const int leader = __ffs(int(lanes)) - 1;
  const int shared_digit = __shfl_sync(kAllLanes, digit, leader);
  const bool differs = takes_part && digit != shared_digit;
  if (__ballot_sync(kAllLanes, differs) == 0) {
    if (lane_index() == leader) atomicAdd(&counts[digit], uint32_t(__popc(lanes)));
  } else if (takes_part) {
    atomicAdd(&counts[digit], 1u);
  }
}

// Where each of this thread's elements goes when its tile is sorted by the digit at `shift`,
// stable. Thread d gets the number of elements with digit d in *count, and returns where they
// begin; `extra` of threads 0 .. d - 1 is summed up in *extra_before (below 2^48) in the same scan.
template <int R, class K>
__device__ __forceinline__ uint32_t rank_tile(const K (&keys)[R], int shift, uint64_t extra,
                                              TilePlaces<R>& place, uint32_t* count,
                                              uint64_t* extra_before) {
  MT_SHARED(uint32_t, warp_counts, kDigitWarps* kDigits);
  const int lane = lane_index(), own = warp_index() * kDigits;
  for (int d = lane; d < kDigits; d += kWarp) warp_counts[own + d] = 0;
  __syncwarp();
#pragma unroll
  for (int r = 0; r < R; r++) {
    const int digit = int(keys[r] >> shift) & (kDigits - 1);
    const uint32_t same = lanes_with(digit);
    const uint32_t before = warp_counts[own + digit];
    const uint32_t rank = uint32_t(__popc(same & ((1u << lane) - 1)));
    __syncwarp();
    if (rank == 0) warp_counts[own + digit] = before + uint32_t(__popc(same));
    __syncwarp();
    place.set(r, before + rank);
  }
  __syncthreads();
  // Thread d: where each warp's elements of digit d begin.
  uint32_t of_warp[kDigitWarps], all = 0;
#pragma unroll
  for (int w = 0; w < kDigitWarps; w++) {
    const uint32_t c = warp_counts[w * kDigits + threadIdx.x];
    of_warp[w] = all;
    all += c;
  }
  const uint64_t before = block_sum_before(extra << 16 | all);
  const uint32_t first = uint32_t(before & 0xffffu);
#pragma unroll
  for (int w = 0; w < kDigitWarps; w++) warp_counts[w * kDigits + threadIdx.x] = first + of_warp[w];
  __syncthreads();
#pragma unroll
  for (int r = 0; r < R; r++) {
    const int digit = int(keys[r] >> shift) & (kDigits - 1);
    const uint32_t start = warp_counts[own + digit];
    place.add(r, start);
  }
  *count = all;
  *extra_before = before >> 16;
  return first;
}

}  // namespace mt::cuda
