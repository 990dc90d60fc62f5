// The search for the element of a given rank in a row, digit by digit, and the picking of all that
// come before it: the parts of topk.cu that blocks do, alone or together.
#pragma once
#include "cuda/kernels/sort_digits.cuh"
#include "ops/topk.h"

namespace mt::cuda {

constexpr int kLevelBits = 11, kBins = 1 << kLevelBits;
constexpr int kMaxLevels = 6;
template <class K>
struct Search {
  K found, mask;   // the digits that are known, and where they are
  uint32_t rank;   // of the wanted element among those that match
  uint32_t among;  // how many match
};

template <class S>
struct Row {
  using Keys = SortKeys<S>;
  using K = typename Keys::Key;
  const S* x;
  uint32_t n;
  K flip;  // all ones: the largest come first

  __device__ __forceinline__ K key(uint32_t i) const {
    return (Keys::of(x[i]) ^ flip) & Keys::kLast;
  }
};

constexpr int levels_of(int bits) { return (bits + kLevelBits - 1) / kLevelBits; }
// The lowest bit and the number of bits of a level.
template <class S>
MT_INLINE int level_shift(int level) {
  const int shift = SortKeys<S>::kBits - (level + 1) * kLevelBits;
  return shift > 0 ? shift : 0;
}
template <class S>
MT_INLINE int level_bits(int level) {
  const int left = SortKeys<S>::kBits - level * kLevelBits;
  return left < kLevelBits ? left : kLevelBits;
}

// The histogram of a level's digits of the matching keys in [begin, end); *nans counts the NaN.
template <class S>
__device__ __forceinline__ void count_level(const Row<S>& row, const Search<typename Row<S>::K>& s,
                                            int level, uint32_t begin, uint32_t end,
                                            Shared<uint32_t> bins, uint32_t* nans) {
  const int shift = level_shift<S>(level), mask = (1 << level_bits<S>(level)) - 1;
  constexpr int kEach = 4;  // loads under way
  for (int64_t first = begin; first < end; first += kThreads * kEach) {
    typename Row<S>::K keys[kEach];
#pragma unroll
    for (int e = 0; e < kEach; e++) {
      const int64_t i = first + e * kThreads + threadIdx.x;
      keys[e] = i < end ? row.key(uint32_t(i)) : typename Row<S>::K(0);
    }
#pragma unroll
    for (int e = 0; e < kEach; e++) {
      const bool inside = first + e * kThreads + threadIdx.x < end;
      if (SortKeys<S>::kFloat) *nans += inside && keys[e] == SortKeys<S>::kLast;
      count_digit(bins, int(keys[e] >> shift) & mask, inside && (keys[e] & s.mask) == s.found);
    }
  }
}

// The search with one more digit known. bin(d) is the level's histogram; all threads get the
// result.
template <class S, class Bin>
__device__ __forceinline__ Search<typename Row<S>::K> next_level(
    const Search<typename Row<S>::K>& s, int level, const Bin& bin) {
  constexpr int kEach = kBins / kThreads;
  MT_SHARED(uint32_t, chosen, 3);
  uint32_t counts[kEach], own = 0;
#pragma unroll
  for (int k = 0; k < kEach; k++) own += counts[k] = bin(int(threadIdx.x) * kEach + k);
  uint32_t before = uint32_t(block_sum_before(own));
  if (s.rank >= before && s.rank - before < own) {
#pragma unroll
    for (int k = 0; k < kEach; k++) {
      if (s.rank >= before && s.rank - before < counts[k]) {
        chosen[0] = threadIdx.x * kEach + k;
        chosen[1] = s.rank - before;
        chosen[2] = counts[k];
      }
      before += counts[k];
    }
  }
  __syncthreads();
  using K = typename Row<S>::K;
  const int shift = level_shift<S>(level);
  const uint32_t digit = chosen[0], rank = chosen[1], among = chosen[2];
  __syncthreads();
  return {K(s.found | K(digit) << shift), K(s.mask | K((1u << level_bits<S>(level)) - 1) << shift),
          rank, among};
}

// The rank (from 0) that an op asks for.
__device__ __forceinline__ uint32_t wanted_rank(SelectOp op, uint32_t n, int64_t k, uint32_t nans) {
  if (op == SelectOp::kth) return uint32_t(k - 1);
  const uint32_t numbers = n - nans;
  const bool all_nan = nans == n || (nans > 0 && op == SelectOp::median);
  return all_nan ? n - 1 : (numbers - 1) / 2;
}

// Whether the search can stop: its matches are all wanted, or there is only one.
template <class K>
__device__ __forceinline__ bool finished(const Search<K>& s, bool to_pick) {
  return to_pick ? s.rank + 1 == s.among : s.among == 1;
}

// Writes the elements of [begin, end) that come before the found key, and its first `rank` + 1
// matches, in order: `before` of each kind precede.
template <class S>
__device__ __forceinline__ void pick(const Row<S>& row, const Search<typename Row<S>::K>& s,
                                     uint32_t begin, uint32_t end, uint64_t before, S* values,
                                     uint32_t* places) {
  constexpr int kEach = 4;
  MT_SHARED(uint64_t, tile_sum, 1);
  const uint32_t wanted = s.rank + 1;
  uint32_t less = uint32_t(before), equal = uint32_t(before >> 32);
  for (int64_t first = begin; first < end; first += kThreads * kEach) {
    const int64_t i0 = first + threadIdx.x * kEach;
    uint32_t own_less = 0, own_equal = 0;
#pragma unroll
    for (int e = 0; e < kEach; e++) {
      if (i0 + e >= end) continue;
      const auto head = row.key(uint32_t(i0 + e)) & s.mask;
      own_less |= uint32_t(head < s.found) << e;
      own_equal |= uint32_t(head == s.found) << e;
    }
    if (!__syncthreads_or(int(own_less | own_equal))) continue;
    const uint64_t own = uint64_t(__popc(own_equal)) << 32 | uint32_t(__popc(own_less));
    const uint64_t sum = block_sum_before(own);
    if (threadIdx.x == kThreads - 1) tile_sum[0] = sum + own;
    __syncthreads();
    const uint64_t all = tile_sum[0];
    uint32_t l = less + uint32_t(sum), q = equal + uint32_t(sum >> 32);
#pragma unroll
    for (int e = 0; e < kEach; e++) {
      const bool is_less = own_less >> e & 1, is_equal = own_equal >> e & 1;
      if (is_less || (is_equal && q < wanted)) {
        const uint32_t at = l + (q < wanted ? q : wanted);
        values[at] = row.x[i0 + e];
        places[at] = uint32_t(i0 + e);
      }
      l += is_less;
      q += is_equal;
    }
    less += uint32_t(all);
    equal += uint32_t(all >> 32);
  }
}

}  // namespace mt::cuda
