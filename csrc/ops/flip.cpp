// Reversed and rotated dims: copies through strides.
#include "ops/flip.h"

#include "ops/dispatch.h"

namespace mt {
namespace {

Tensor flip_forward(const Tensor& x, const Dims& dims) {
  uint32_t reversed = 0;
  for (int64_t dim : dims) {
    int d = wrap_dim(dim, x.dim(), "flip");
    MT_CHECK(!(reversed >> d & 1), "flip(): dim ", d,
             " appears multiple times in the list of dims");
    reversed |= 1u << d;
  }
  Tensor y = empty_like(x);
  if (y.numel() == 0) return y;
  int64_t bytes = int64_t(itemsize(x.dtype()));
  ElementIter it;
  it.nargs = 2;
  it.numel = y.numel();
  it.ndim = x.dim();
  it.data[0] = y.data<char>();
  it.data[1] = x.data<char>();
  for (int i = 0; i < x.dim(); i++) {
    int d = x.dim() - 1 - i;
    it.shape[d] = x.size(i);
    it.strides[d][0] = y.stride(i) * bytes;
    it.strides[d][1] = x.stride(i) * bytes;
    if (!(reversed >> i & 1)) continue;
    it.data[1] += (x.size(i) - 1) * it.strides[d][1];
    it.strides[d][1] = -it.strides[d][1];
  }
  finish_iter(it);
  MT_DISPATCH(x.device(), y.numel(), flip, bytes, it);
  return y;
}

// Element i of a dim moves to i + shift, around the end.
Tensor roll_dim(const Tensor& x, int64_t shift, int dim) {
  Tensor y = empty_like(x);
  int64_t n = x.size(dim);
  if (y.numel() == 0) return y;
  shift = ((shift % n) + n) % n;
  auto move = [&](int64_t from, int64_t to, int64_t count) {
    if (count == 0) return;
    Dims sizes = x.sizes();
    sizes[dim] = count;
    copy_into(as_strided(y, sizes, y.strides(), to * y.stride(dim)),
              as_strided(x, sizes, x.strides(), x->offset + from * x.stride(dim)));
  };
  move(0, shift, n - shift);
  move(n - shift, 0, shift);
  return y;
}

Tensor roll(const Tensor& x, const Dims& shifts, const Dims& dims) {
  MT_CHECK(shifts.n > 0, "roll(): `shifts` required");
  if (dims.n == 0) {
    MT_CHECK(shifts.n == 1, "roll(): shifts and dimensions must align. shifts: ", shifts.n,
             ", dims: 0");
    Tensor flat = contiguous(x);
    flat = as_strided(flat, {flat.numel()}, {1}, flat->offset);
    Tensor y = roll_dim(flat, shifts[0], 0);
    return as_strided(y, x.sizes(), contiguous_strides(x.sizes()), 0);
  }
  MT_CHECK(shifts.n == dims.n, "roll(): shifts and dimensions must align. shifts: ", shifts.n,
           ", dims: ", dims.n);
  Tensor y = x;
  for (int i = 0; i < dims.n; i++) {
    MT_CHECK_INDEX(x.dim() > 0, "roll(): Dimension specified as ", dims[i],
                   " but tensor has no dimensions");
    y = roll_dim(y, shifts[i], wrap_dim(dims[i], x.dim(), "roll"));
  }
  return y;
}

}  // namespace

MT_BIND(flip) {
  def_op<&flip_forward>(m, "flip");
  def_op<&roll>(m, "roll");
}

}  // namespace mt
