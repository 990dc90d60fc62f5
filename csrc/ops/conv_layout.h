// Batches with their channels innermost in memory (channels_last), as operands and results.
#pragma once
#include "ops/dispatch.h"
#include "ops/layout.h"

namespace mt {

inline Dims last_sizes(const Dims& s) {
  Dims r;
  r.push(s[0]);
  for (int i = 2; i < s.n; i++) r.push(s[i]);
  r.push(s[1]);
  return r;
}
inline Dims first_sizes(const Dims& s) {
  Dims r;
  r.push(s[0]);
  r.push(s[s.n - 1]);
  for (int i = 1; i < s.n - 1; i++) r.push(s[i]);
  return r;
}
// [b, ..., c] of a [b, c, ...], and back.
inline Tensor moved_last(const Tensor& x, DType compute) {
  return contiguous(
      to_dtype(as_strided(x, last_sizes(x.sizes()), last_sizes(x.strides()), x->offset), compute));
}
inline Tensor moved_back(const Tensor& y, DType result) {
  const Tensor t = to_dtype(y, result);
  return as_strided(t, first_sizes(t.sizes()), first_sizes(t.strides()), t->offset);
}
// An operand, and an empty result of sizes [b, c, ...], in the layout of a convolution.
inline Tensor images(const Tensor& x, DType compute, bool last) {
  return last ? moved_last(x, compute) : contiguous(to_dtype(x, compute));
}
inline Tensor empty_images(const Dims& sizes, DType t, Device device, bool last) {
  return empty(last ? last_sizes(sizes) : sizes, t, device);
}
inline Tensor finished(const Tensor& y, DType result, bool last) {
  return last ? moved_back(y, result) : to_dtype(y, result);
}

// The tensor itself where its memory is in the layout, else a copy.
inline Tensor in_layout(const Tensor& x, bool last) {
  return last ? moved_back(moved_last(x, x.dtype()), x.dtype()) : contiguous(x);
}

}  // namespace mt
