// Elements that a bool mask chooses.
//
// Choosing is two passes over chunks of the mask: mask_count counts the true elements of every
// chunk, running_starts makes these counts the places where chunks begin in the result (starts[i]
// chosen elements lie before chunk i), and the second pass writes or reads every chunk's part on
// its own.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "core/iter.h"

namespace mt {

// Elements per chunk: a thread's share on the CPU, a block's on a GPU.
constexpr int64_t kMaskChunk = 16384, kMaskChunkCuda = 4096;

struct MaskShape {
  int ndim;
  int64_t sizes[kMaxIterDims];
};

}  // namespace mt

// operands {y, x, mask, value}: y = mask ? value : x; `number`: the value is on the host.
MT_KERNEL(masked_fill, void(int64_t itemsize, const ElementIter& it, bool number))
MT_KERNEL(mask_count, void(const bool* mask, int64_t n, int64_t chunk, int64_t* counts))
// v[i] = sum of the elements before i, in place; v[n] = sum of v[0 .. n - 1].
MT_KERNEL(running_starts, void(int64_t* v, int64_t n))
// The coordinates of the true elements: out[i * row + d * col] is element i's place in dim d.
MT_KERNEL(mask_places, void(const bool* mask, int64_t n, int64_t chunk, const int64_t* starts,
                            const MaskShape& shape, int64_t* out, int64_t row, int64_t col))
// y = x where the mask is true, one after the other
MT_KERNEL(masked_select, void(int64_t itemsize, const void* x, const bool* mask, int64_t n,
                              int64_t chunk, const int64_t* starts, void* y))
// y = the next element of src where the mask is true
MT_KERNEL(masked_scatter, void(int64_t itemsize, void* y, const bool* mask, int64_t n,
                               int64_t chunk, const int64_t* starts, const void* src))
