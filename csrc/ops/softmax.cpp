#include "ops/softmax.h"

#include "ops/reduce_dims.h"

namespace mt {
namespace {

// x with `dim` moved last, contiguous; undone by the same call on the result's permuted view.
Tensor move_dim(const Tensor& x, int from, int to) {
  Dims sizes = x.sizes(), strides = x.strides();
  int64_t size = sizes[from], stride = strides[from];
  sizes.erase(from);
  strides.erase(from);
  sizes.insert(to, size);
  strides.insert(to, stride);
  return contiguous(as_strided(x, sizes, strides, x->offset));
}

// A few interleaved columns would leave the vectors empty: such a dim goes last first.
bool better_last(const DimSplit& s) { return s.inner > 1 && s.inner < 8 && s.n > s.inner; }

// The CPU's kernels read float32 and float64, CUDA's any floating dtype.
DType memory_dtype(DType t, Device device) {
  return itemsize(t) == 2 && device.is_cpu() ? DType::Float32 : t;
}

Tensor forward(bool log, const char* name, const Tensor& input, int64_t dim,
               const std::optional<DType>& dtype) {
  int d = wrap_dim(dim, input.dim(), name);
  DType out = dtype.value_or(input.dtype());
  MT_CHECK(is_floating(out), name, "(): expected a floating point dtype, got ", out);
  Tensor x = contiguous(to_dtype(to_dtype(input, out), memory_dtype(out, input.device())));
  DimSplit s = split_dim(x, d);
  bool moved = better_last(s);
  if (moved) {
    x = move_dim(x, d, x.dim() - 1);
    s = {s.outer * s.inner, s.n, 1};
  }
  Tensor y = empty_like(x);
  if (x.numel() > 0)
    MT_DISPATCH(x.device(), 4 * x.numel(), softmax_forward, log, x.dtype(), x.data(), y.data(),
                s.outer, s.n, s.inner);
  if (moved) y = move_dim(y, y.dim() - 1, d);
  return to_dtype(y, out);
}

Tensor backward(bool log, const Tensor& grad, const Tensor& result, int64_t dim) {
  int d = wrap_dim(dim, result.dim(), "softmax_backward");
  MT_CHECK(grad.same_shape(result), "softmax_backward(): gradient of shape ", grad.sizes(),
           " for a result of shape ", result.sizes());
  DType dtype = memory_dtype(result.dtype(), result.device());
  Tensor dy = contiguous(to_dtype(grad, dtype)), y = contiguous(to_dtype(result, dtype));
  DimSplit s = split_dim(y, d);
  bool moved = better_last(s);
  if (moved) {
    dy = move_dim(dy, d, dy.dim() - 1);
    y = move_dim(y, d, y.dim() - 1);
    s = {s.outer * s.inner, s.n, 1};
  }
  Tensor dx = empty_like(y);
  if (y.numel() > 0)
    MT_DISPATCH(y.device(), 4 * y.numel(), softmax_backward, log, dtype, dy.data(), y.data(),
                dx.data(), s.outer, s.n, s.inner);
  if (moved) dx = move_dim(dx, dx.dim() - 1, d);
  return to_dtype(dx, result.dtype());
}

Tensor softmax(const Tensor& x, int64_t dim, const std::optional<DType>& dtype) {
  return forward(false, "softmax", x, dim, dtype);
}
Tensor log_softmax(const Tensor& x, int64_t dim, const std::optional<DType>& dtype) {
  return forward(true, "log_softmax", x, dim, dtype);
}
Tensor softmax_grad(const Tensor& dy, const Tensor& y, int64_t dim) {
  return backward(false, dy, y, dim);
}
Tensor log_softmax_grad(const Tensor& dy, const Tensor& y, int64_t dim) {
  return backward(true, dy, y, dim);
}

}  // namespace

MT_BIND(softmax) {
  def_op<&softmax>(m, "softmax");
  def_op<&log_softmax>(m, "log_softmax");
  def_raw<&softmax_grad>(m, "softmax_backward");
  def_raw<&log_softmax_grad>(m, "log_softmax_backward");
}

}  // namespace mt
