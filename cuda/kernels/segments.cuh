// Sums (products, extrema) over entries of equal keys, given in the order of their keys, in an
// order of operations that depends on the keys only: the same bits in every run and on every GPU.
//
// Entries are cut into blocks of kSegment by their places in the order. A run of equal keys inside
// of a block is combined by one thread, entry by entry. The parts of a run that crosses blocks
// become entries of the next level, at most two per block (the block's first run and its last one),
// and so on until one block is left. So no thread combines more than kSegment values, however many
// keys are equal. Bytes: every value once, and 2 / kSegment of them more per level.
#pragma once
#include "cuda/core/launch.h"
#include "cuda/core/scratch.h"
#include "cuda/core/simt.h"

namespace mt::cuda {

constexpr uint32_t kSegment = 64;

// One level. `none` is the key of entries that take no part.
template <class T, class K>
struct SegmentLevel {
  const K* keys;          // sorted, but for entries without a part in between
  const uint32_t* order;  // first level: the entries' numbers
  const T* values;        // other levels: [entry, width]
  uint32_t count;
  K none;
  K* next_keys;    // [2 * blocks], all ones at first
  T* next_values;  // [2 * blocks, width]
};

// An operation has the types T (value) and
//   kEach                   neighbouring elements of a row that a thread works on
//   width                   elements of a row (an entry's values)
//   get(entry, r, v)        the values of row elements r ...
//   target(key, r, v)       reads, and
//   set_target(key, r, v)   writes the elements that they are combined with
//   combine(a, b)
// Threads along x: elements of a row; along y: entries, of which those work that begin a part.
template <class Op, class K>
__global__ void __launch_bounds__(kThreads)
    segment_kernel(const Op op, const SegmentLevel<typename Op::T, K> level) {
  using T = typename Op::T;
  constexpr int E = Op::kEach;
  const uint32_t r = (blockIdx.x * blockDim.x + threadIdx.x) * E;
  if (r >= op.width) return;
  const K* keys = level.keys;
  const int elements = op.width - r < uint32_t(E) ? int(op.width - r) : E;
  for (uint32_t j = blockIdx.y * blockDim.y + threadIdx.y; j < level.count;
       j += gridDim.y * blockDim.y) {
    const K key = keys[j];
    if (key == level.none) continue;
    // A block that one run fills leaves its second entry of the next level without a part.
    const bool before =
        j > 0 && (keys[j - 1] == key || (keys[j - 1] == level.none && j > 1 && keys[j - 2] == key));
    const bool at_start = j % kSegment == 0;
    if (before && !at_start) continue;
    const uint32_t block = j / kSegment;
    const uint32_t block_end =
        level.count - block * kSegment < kSegment ? level.count : (block + 1) * kSegment;
    uint32_t end = j + 1;
    while (end < block_end && (keys[end] == key || keys[end] == level.none)) end++;
    const bool after = end == block_end && end < level.count && keys[end] == key;

    T sum[E] = {};
    const auto load = [&](uint32_t e, T(&v)[E]) {
      if (level.order) {
        op.get(level.order[e], r, v);
      } else {
#pragma unroll
        for (int k = 0; k < E; k++)
          v[k] = k < elements ? level.values[uint64_t(e) * op.width + r + k] : T(0);
      }
    };
    uint32_t e = j;
    if (before || after) load(e++, sum);
    else op.target(key, r, sum);
#pragma unroll 4
    for (; e < end; e++) {
      if (keys[e] == level.none) continue;
      T v[E];
      load(e, v);
#pragma unroll
      for (int k = 0; k < E; k++) sum[k] = op.combine(sum[k], v[k]);
    }
    if (!before && !after) {
      op.set_target(key, r, sum);
      continue;
    }
    const uint32_t next = 2 * block + !at_start;
    if (r == 0) level.next_keys[next] = key;
#pragma unroll
    for (int k = 0; k < E; k++)
      if (k < elements) level.next_values[uint64_t(next) * op.width + r + k] = sum[k];
  }
}

template <class Op, class K>
void run_segments(const Op& op, SegmentLevel<typename Op::T, K> level, bool rows_first) {
  using T = typename Op::T;
  const uint32_t next = level.count > kSegment ? 2 * uint32_t(ceil_div(level.count, kSegment)) : 0;
  const Scratch keys(next * sizeof(K)), values(size_t(next) * op.width * sizeof(T));
  if (next) MT_CUDA_CHECK(cudaMemsetAsync(keys.as<void>(), 0xff, next * sizeof(K), stream()));
  level.next_keys = keys.as<K>();
  level.next_values = values.as<T>();
  const unsigned units = unsigned(ceil_div(op.width, Op::kEach));
  unsigned across = 1;
  while (rows_first && across < units && across < unsigned(kThreads)) across *= 2;
  const dim3 block{across, unsigned(kThreads) / across};
  const dim3 grid{grid_for(units, across), grid_for(level.count, block.y, 65535)};
  MT_LAUNCH((segment_kernel<Op, K>), grid, block, 0, stream(), op, level);
  if (next == 0) return;
  run_segments<Op, K>(op, {keys.as<K>(), nullptr, values.as<T>(), next, K(~K(0)), nullptr, nullptr},
                      rows_first);
}

// Combines the values of each key's entries into its target. `keys` are sorted, `order` says which
// entry each is. rows_first: the elements of a row are neighbours in memory, not the entries.
template <class Op, class K>
void reduce_segments(const Op& op, const K* keys, const uint32_t* order, uint32_t count, K none,
                     bool rows_first) {
  if (count == 0 || op.width == 0) return;
  run_segments<Op, K>(op, {keys, order, nullptr, count, none, nullptr, nullptr}, rows_first);
}

}  // namespace mt::cuda
