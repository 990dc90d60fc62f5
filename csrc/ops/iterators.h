// Iterators of elementwise ops: one flat run where all operands are contiguous and of one shape.
#pragma once
#include "core/make_iter.h"
#include "ops/layout.h"

namespace mt {

inline ElementIter iter2(const Tensor& y, const Tensor& x) {
  if (MT_LIKELY(y.is_contiguous() && x.is_contiguous() && x.numel() == y.numel()))
    return flat_iter(y.numel(), {y.data(), x.data()},
                     {int64_t(itemsize(y.dtype())), int64_t(itemsize(x.dtype()))});
  return make_iter(y.sizes(), {&y, &x});
}

inline ElementIter iter3(const Tensor& z, const Tensor& x, const Tensor& y) {
  if (MT_LIKELY(z.is_contiguous() && x.is_contiguous() && y.is_contiguous() &&
                x.numel() == z.numel() && y.numel() == z.numel()))
    return flat_iter(
        z.numel(), {z.data(), x.data(), y.data()},
        {int64_t(itemsize(z.dtype())), int64_t(itemsize(x.dtype())), int64_t(itemsize(y.dtype()))});
  return make_iter(z.sizes(), {&z, &x, &y});
}

}  // namespace mt
