// Building an ElementIter: for csrc/ops, which know tensors; kernels see only the result.
#pragma once
#include <initializer_list>

#include "core/iter.h"
#include "core/tensor.h"

namespace mt {

// Operands broadcast to `shape`; the first ones are outputs and have exactly that shape.
ElementIter make_iter(const Dims& shape, std::initializer_list<const Tensor*> operands);
// Drops, sorts and merges the dims of a hand-filled iterator.
void finish_iter(ElementIter& it);

// One run of n elements at the given byte strides.
inline ElementIter flat_iter(int64_t n, std::initializer_list<void*> data,
                             std::initializer_list<int64_t> strides) {
  ElementIter it;
  it.nargs = int(data.size());
  it.ndim = 1;
  it.numel = it.shape[0] = n;
  int k = 0;
  for (void* p : data) it.data[k++] = static_cast<char*>(p);
  k = 0;
  for (int64_t s : strides) it.strides[0][k++] = s;
  return it;
}

}  // namespace mt
