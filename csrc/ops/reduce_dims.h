// What ops over dims share: the chosen dims as a mask, the result's shape, and the split of a
// strided tensor into a kept and a reduced index space.
#pragma once
#include "ops/dispatch.h"

namespace mt {

// Bit i is set where dim i is chosen; no dims, or an empty list, choose all.
inline uint32_t dim_mask(const std::optional<Dims>& dims, int ndim, const char* op) {
  if (!dims || dims->n == 0) return (1u << ndim) - 1;
  uint32_t mask = 0;
  for (int64_t d : *dims) {
    int i = wrap_dim(d, ndim, op);
    MT_CHECK(!(mask >> i & 1), op, "(): dim ", i, " appears multiple times in the list of dims");
    if (ndim > 0) mask |= 1u << i;
  }
  return mask;
}

inline Dims reduced_shape(const Tensor& x, uint32_t mask, bool keepdim) {
  Dims shape;
  for (int i = 0; i < x.dim(); i++) {
    if (!(mask >> i & 1)) shape.push(x.size(i));
    else if (keepdim) shape.push(1);
  }
  return shape;
}

inline int64_t reduced_numel(const Tensor& x, uint32_t mask) {
  int64_t n = 1;
  for (int i = 0; i < x.dim(); i++)
    if (mask >> i & 1) n *= x.size(i);
  return n;
}

// A contiguous tensor as (outer, n, inner) around one dim.
struct DimSplit {
  int64_t outer = 1, n = 1, inner = 1;
};
inline DimSplit split_dim(const Tensor& x, int dim) {
  DimSplit s;
  for (int i = 0; i < x.dim(); i++) (i < dim ? s.outer : i == dim ? s.n : s.inner) *= x.size(i);
  return s;
}

struct Reduction {
  Tensor x;             // the input, copied where its layout fits neither loop
  ElementIter kept;     // operands {y, x, parameter}: one position per result
  ElementIter reduced;  // operand {x}: the elements behind one result
};

// y is contiguous and has the kept dims; `parameter` (optional) is like y, one value per result.
// Afterwards either the reduced dims or the kept dims run contiguously through x's memory.
inline Reduction plan_reduction(const Tensor& input, uint32_t mask, const Tensor& y,
                                const Tensor* parameter = nullptr) {
  Reduction r;
  r.x = input;
  for (int attempt = 0;; attempt++) {
    const Tensor& x = r.x;
    int64_t size = int64_t(itemsize(x.dtype())), y_size = int64_t(itemsize(y.dtype()));
    int64_t p_size = parameter ? int64_t(itemsize(parameter->dtype())) : 0;
    ElementIter &kept = r.kept, &reduced = r.reduced;
    kept.nargs = 3;
    reduced.nargs = 1;
    kept.ndim = reduced.ndim = 0;
    kept.numel = reduced.numel = 1;
    kept.data[0] = y.data<char>();
    kept.data[1] = reduced.data[0] = x.data<char>();
    kept.data[2] = parameter ? parameter->data<char>() : nullptr;
    for (int i = x.dim() - 1; i >= 0; i--) {
      if (mask >> i & 1) {
        reduced.shape[reduced.ndim] = x.size(i);
        reduced.strides[reduced.ndim++][0] = x.stride(i) * size;
        reduced.numel *= x.size(i);
      } else {
        kept.shape[kept.ndim] = x.size(i);
        kept.strides[kept.ndim][0] = kept.numel * y_size;
        kept.strides[kept.ndim][1] = x.stride(i) * size;
        kept.strides[kept.ndim++][2] = kept.numel * p_size;
        kept.numel *= x.size(i);
      }
    }
    finish_iter(kept);
    finish_iter(reduced);
    bool columns = kept.strides[0][1] == size && kept.strides[0][0] == y_size;
    bool rows = reduced.strides[0][0] == size || reduced.numel <= 1;
    if (columns || rows || attempt > 0) return r;
    r.x = contiguous(r.x);
  }
}

}  // namespace mt
