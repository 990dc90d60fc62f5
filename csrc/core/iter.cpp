#include "core/iter.h"

#include "core/make_iter.h"

namespace mt {
namespace {

// Innermost first: the smaller stride of the first operand that tells the two dims apart.
bool inner_before(const ElementIter& it, int a, int b) {
  for (int k = 0; k < it.nargs; k++) {
    int64_t sa = it.strides[a][k], sb = it.strides[b][k];
    if (sa == 0 || sb == 0 || sa == sb) continue;
    return sa < sb;
  }
  return false;
}

void swap_dims(ElementIter& it, int a, int b) {
  std::swap(it.shape[a], it.shape[b]);
  for (int k = 0; k < it.nargs; k++) std::swap(it.strides[a][k], it.strides[b][k]);
}

}  // namespace

ElementIter make_iter(const Dims& shape, std::initializer_list<const Tensor*> operands) {
  ElementIter it;
  int k = 0;
  it.numel = shape.product();
  it.ndim = shape.n;
  for (int d = 0; d < shape.n; d++) it.shape[d] = shape[shape.n - 1 - d];
  for (const Tensor* t : operands) {
    int64_t size = int64_t(itemsize(t->dtype()));
    it.data[k] = t->data<char>();
    int shift = shape.n - t->dim();
    for (int d = 0; d < shape.n; d++) {
      int i = shape.n - 1 - d - shift;  // this operand's own dim
      it.strides[d][k] = i < 0 || (t->size(i) == 1 && it.shape[d] != 1) ? 0 : t->stride(i) * size;
    }
    k++;
  }
  it.nargs = k;
  finish_iter(it);
  return it;
}

void finish_iter(ElementIter& it) {
  // Size-1 dims contribute nothing.
  int n = 0;
  for (int d = 0; d < it.ndim; d++) {
    if (it.shape[d] == 1) continue;
    if (n != d) swap_dims(it, n, d);
    n++;
  }
  it.ndim = n;
  for (int i = 1; i < n; i++)
    for (int j = i; j > 0 && inner_before(it, j, j - 1); j--) swap_dims(it, j, j - 1);
  // Merge neighbours that every operand walks as one.
  int last = 0;
  for (int d = 1; d < n; d++) {
    bool merge = true;
    for (int k = 0; k < it.nargs; k++)
      merge = merge && it.strides[d][k] == it.strides[last][k] * it.shape[last];
    if (merge) {
      it.shape[last] *= it.shape[d];
    } else {
      last++;
      if (last != d) {
        it.shape[last] = it.shape[d];
        for (int k = 0; k < it.nargs; k++) it.strides[last][k] = it.strides[d][k];
      }
    }
  }
  it.ndim = n ? last + 1 : 1;
  if (n == 0) {
    it.shape[0] = it.numel;  // 1 or 0
    for (int k = 0; k < it.nargs; k++) it.strides[0][k] = 0;
  }
}

}  // namespace mt
