#include "ops/layout.h"

#include "ops/dispatch.h"

namespace mt {

Tensor empty_like_layout(const Tensor& x, DType dtype) {
  if (x.is_contiguous()) return empty_like(x, dtype);
  int order[kMaxDims];
  for (int i = 0; i < x.dim(); i++) order[i] = i;
  for (int i = 1; i < x.dim(); i++)
    for (int j = i; j > 0 && x.stride(order[j]) > x.stride(order[j - 1]) && x.stride(order[j - 1]);
         j--)
      std::swap(order[j], order[j - 1]);
  Dims strides = x.sizes();
  int64_t step = 1;
  for (int i = x.dim() - 1; i >= 0; i--) {
    strides[order[i]] = step;
    step *= x.size(order[i]) > 0 ? x.size(order[i]) : 1;
  }
  return empty_strided(x.sizes(), strides, dtype, x.device());
}

bool is_dense(const Tensor& x) {
  if (x.is_contiguous()) return true;
  bool seen[kMaxDims] = {};
  int64_t expected = 1;
  for (int done = 0; done < x.dim(); done++) {
    int next = -1;
    for (int i = 0; i < x.dim(); i++)
      if (!seen[i] && (x.size(i) == 1 || x.stride(i) == expected)) next = i;
    if (next < 0) return false;
    seen[next] = true;
    expected *= x.size(next);
  }
  return true;
}

Tensor to_dtype_in_layout(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = empty_like_layout(x, dtype);
  copy_into(y, x);
  return y;
}

bool channels_last(const Tensor& x) {
  if (x.dim() < 4 || x.is_contiguous() || x.size(1) < 2) return false;
  int64_t stride = 1;
  for (int i = 0; i < x.dim(); i++) {
    const int d = i == 0 ? 1 : i == x.dim() - 1 ? 0 : x.dim() - i;
    if (x.size(d) > 1 && x.stride(d) != stride) return false;
    stride *= x.size(d);
  }
  return true;
}

}  // namespace mt
