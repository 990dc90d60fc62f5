// Reading and writing elements of x that an index addresses.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "core/iter.h"

namespace mt {

// One loop over the elements that take part. Operands {y or values, x, index (int64)}; x does not
// move along the indexed dims. The element of x is at x + k * step bytes, where k is the index
// (k + size where it is negative). The dims keep the order of y, the innermost first.
struct IndexLoop {
  ElementIter it;
  int64_t step = 0;
  int64_t size = 0;
  int split = -1;     // a dim along which no two elements address the same element of x; -1: none
  int64_t skip = -1;  // an index whose elements take no part; -1: none
  // index_get only: where not null, indices outside of [low, size) are reported in found as
  // index_check does, instead of being trusted.
  int64_t* found = nullptr;
  int64_t low = 0;
};

enum class IndexReduce : int { add, mul, amin, amax };

}  // namespace mt

// operand {index}; found[0] = 1 and found[1] = an index that is outside of [low, high).
MT_KERNEL(index_check, void(const ElementIter& it, int64_t low, int64_t high, int64_t* found))
// operands {offsets, index}: offsets += wrapped index * stride; `first` overwrites.
MT_KERNEL(index_offsets, void(const ElementIter& it, int64_t size, int64_t stride, bool first))
// y = x[k]
MT_KERNEL(index_get, void(int64_t itemsize, const IndexLoop& loop))
// x[k] = value, the last one where several have the same k
MT_KERNEL(index_set, void(int64_t itemsize, const IndexLoop& loop))
// x[k] = reduce(x[k], value) in the order of the loop; not for the 16-bit floats
MT_KERNEL(index_reduce, void(DType dtype, IndexReduce op, const IndexLoop& loop))
