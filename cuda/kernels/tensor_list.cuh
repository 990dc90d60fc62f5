// One kernel over many tensors: a table of them goes into the launch's arguments (4 KB at most),
// and every block works on kListChunk elements of one. Small tensors cost a block each, not a
// launch.
#pragma once
#include "cuda/core/launch.h"
#include "cuda/core/row.h"

namespace mt::cuda {

constexpr int64_t kListChunk = 4096;

// Item: plain, with a member `numel`.
template <class Item>
struct TensorList {
  static constexpr int kMost = int(3400 / (sizeof(Item) + sizeof(uint32_t)));
  int count;
  uint32_t first_block[kMost + 1];  // of each item; behind the last, the number of blocks
  Item items[kMost];

  // The item of this block, and the first of its elements.
  __device__ __forceinline__ int find(int64_t* begin) const {
    int low = 0, high = count - 1;
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (first_block[middle] <= blockIdx.x) low = middle;
      else high = middle - 1;
    }
    *begin = int64_t(blockIdx.x - first_block[low]) * kListChunk;
    return low;
  }
};

// Collects items and calls launch(list, blocks) for as many as one launch takes.
template <class Item, class Launch>
class ListLauncher {
 public:
  explicit ListLauncher(const Launch& launch) : launch_(launch) {
    static_assert(sizeof list_ <= 3600, "a launch takes 4096 bytes of arguments");
    list_.count = 0;
  }

  void add(const Item& item) {
    if (item.numel == 0) return;
    const int64_t blocks = ceil_div(item.numel, kListChunk);
    if (list_.count == list_.kMost || (list_.count > 0 && blocks_ + blocks > kMaxGrid)) flush();
    list_.first_block[list_.count] = uint32_t(blocks_);
    list_.items[list_.count++] = item;
    blocks_ += blocks;
  }
  void flush() {
    if (list_.count == 0) return;
    list_.first_block[list_.count] = uint32_t(blocks_);
    launch_(list_, unsigned(blocks_));
    list_.count = 0;
    blocks_ = 0;
  }

 private:
  TensorList<Item> list_;
  int64_t blocks_ = 0;
  const Launch& launch_;
};

// f(i, count) for the pieces of up to V elements of [begin, begin + kListChunk) below `numel` that
// this thread takes.
template <int V, class F>
__device__ __forceinline__ void for_chunk(int64_t begin, int64_t numel, const F& f) {
  const int64_t end = begin + kListChunk < numel ? begin + kListChunk : numel;
  for (int64_t i = begin + int64_t(threadIdx.x) * V; i < end; i += kThreads * V)
    f(i, end - i < V ? int(end - i) : V);
}

}  // namespace mt::cuda
