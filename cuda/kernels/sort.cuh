// The order of the elements of rows, for everything that sorts: sort, topk, kthvalue, and the
// grouping of equal indices.
#pragma once
#include "core/dtype.h"
#include "cuda/core/launch.h"
#include "cuda/core/scratch.h"

namespace mt::cuda {

// What a sort writes of the first k elements of each row in order; null pointers are left out.
struct Sorted {
  uint32_t* order = nullptr;   // their places in x
  void* values = nullptr;      // the elements
  int64_t* indices = nullptr;  // their places, or map[row, place]
  const uint32_t* map = nullptr;
  int64_t k = INT64_MAX;
};

// Sorts the rows of x; stable. Any dtype, bool as uint8; rows of fewer than 2^32 elements. Where
// x holds integers in [0, 2^bits), fewer bits are fewer passes.
void sort_rows(DType dtype, bool descending, const void* x, int64_t rows, int64_t n,
               const Sorted& to, int bits = 64);

// The bits of the integers 0 .. largest.
inline int bits_for(int64_t largest) {
  int bits = 1;
  while (bits < 63 && largest >> bits) bits++;
  return bits;
}

}  // namespace mt::cuda
