#include "ops/copy.h"
#include "ops/dispatch.h"

namespace mt {

namespace {

// One element on the host, in dst's dtype, to all of dst.
void fill_with(const Tensor& dst, const Tensor& value) {
  const Tensor element = to_dtype(value, dst.dtype());
  const int64_t size = int64_t(itemsize(dst.dtype()));
  const ElementIter it = dst.is_contiguous() ? flat_iter(dst.numel(), {dst.data()}, {size})
                                             : make_iter(dst.sizes(), {&dst});
  MT_DISPATCH(dst.device(), dst.numel(), fill, dst.dtype(), it, element.data());
}

// Between devices go the bytes of the smaller side: what is broadcast is stretched over there.
void copy_across(const Tensor& dst, const Tensor& src) {
  if (src.numel() == 1 && src.device().is_cpu()) return fill_with(dst, src);
  const Tensor packed = contiguous(to_dtype(src, dst.dtype()));
  if (dst.is_contiguous() && dst.numel() == packed.numel()) {
#if defined(MT_WITH_CUDA)
    cuda::copy_bytes(dst.data(), dst.device(), packed.data(), packed.device(), dst.nbytes());
#endif
    return;
  }
  copy_into(dst, to_device(packed, dst.device()));
}

}  // namespace

void copy_into(const Tensor& dst, const Tensor& src) {
  if (dst.numel() == 0) return;
  if (MT_UNLIKELY(!(dst.device() == src.device()))) return copy_across(dst, src);
  if (dst.dtype() == src.dtype() && dst.is_contiguous() && src.is_contiguous() &&
      dst.numel() == src.numel()) {
    int64_t size = int64_t(itemsize(dst.dtype()));
    MT_DISPATCH(dst.device(), dst.numel(), copy, dst.dtype(), src.dtype(),
                flat_iter(dst.numel(), {dst.data(), src.data()}, {size, size}));
    return;
  }
  MT_DISPATCH(dst.device(), dst.numel(), copy, dst.dtype(), src.dtype(),
              make_iter(dst.sizes(), {&dst, &src}));
}

Tensor to_device(const Tensor& x, Device device, [[maybe_unused]] bool non_blocking) {
  if (x.device() == device) return x;
  Tensor packed = contiguous(x), y = empty(x.sizes(), x.dtype(), device);
#if defined(MT_WITH_CUDA)
  cuda::copy_bytes(y.data(), device, packed.data(), x.device(), y.nbytes(), non_blocking);
#endif
  return y;
}

Tensor contiguous(const Tensor& x) {
  if (x.is_contiguous()) return x;
  Tensor y = empty_like(x);
  copy_into(y, x);
  return y;
}

Tensor to_dtype(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = empty_like(x, dtype);
  copy_into(y, x);
  return y;
}

Tensor scalar_tensor(const Scalar& s, DType dtype, Device device) {
  Tensor t = empty({}, DType::Float64, {});
  if (s.kind == Scalar::Float) {
    *t.data<double>() = s.d;
  } else {
    t = empty({}, DType::Int64, {});
    *t.data<int64_t>() = s.i;
  }
  Tensor y = empty({}, dtype, device);
  copy_into(y, t);
  return y;
}

DType promote_scalar(DType tensor, const Scalar& s) {
  if (s.kind == Scalar::Float) return to_floating(tensor);
  if (s.kind == Scalar::Int && tensor == DType::Bool) return DType::Int64;
  return tensor;
}

namespace {

int category(DType t) { return t == DType::Bool ? 0 : is_floating(t) ? 2 : 1; }

}  // namespace

DType result_type(const Operand& a, const Operand& b) {
  if (!a.tensor && !b.tensor)
    return promote(promote_scalar(DType::Bool, a.scalar), promote_scalar(DType::Bool, b.scalar));
  if (!a.tensor) return promote_scalar(b.tensor->dtype(), a.scalar);
  if (!b.tensor) return promote_scalar(a.tensor->dtype(), b.scalar);
  DType x = a.tensor->dtype(), y = b.tensor->dtype();
  if (MT_LIKELY(x == y)) return x;
  bool x_scalar = a.tensor->dim() == 0, y_scalar = b.tensor->dim() == 0;
  if (x_scalar == y_scalar) return promote(x, y);
  DType tensor = x_scalar ? y : x, scalar = x_scalar ? x : y;
  return category(scalar) > category(tensor) ? promote(tensor, scalar) : tensor;
}

void check_floating(const Tensor& x, const char* op, const char* argument) {
  MT_CHECK(is_floating(x.dtype()), op, "(): expected ", argument,
           " of a floating point dtype, got ", x.dtype());
}

void check_no_overlap(const Tensor& out, const char* op) {
  if (out.numel() <= 1) return;
  for (int i = 0; i < out.dim(); i++)
    MT_CHECK(
        out.stride(i) != 0 || out.size(i) == 1, op,
        "(): unsupported operation: more than one element of the written-to tensor refers to a "
        "single memory location. Please clone() the tensor before performing the operation.");
}

bool partly_overlaps(const Tensor& a, const Tensor& b) {
  if (a->storage != b->storage || a.numel() == 0 || b.numel() == 0) return false;
  if (a.same_shape(b) && a.dtype() == b.dtype() && a->offset == b->offset &&
      a.strides() == b.strides())
    return false;
  auto extent = [](const Tensor& t) {
    int64_t last = 0;
    for (int i = 0; i < t.dim(); i++) last += (t.size(i) - 1) * t.stride(i);
    return t.data<char>() + (last + 1) * int64_t(itemsize(t.dtype()));
  };
  return a.data<char>() < extent(b) && b.data<char>() < extent(a);
}

void check_same_device(const Tensor& a, const Tensor& b, const char* op) {
  MT_CHECK(a.device() == b.device(), op,
           "(): Expected all tensors to be on the same device, but found at least two devices, ",
           to_string(a.device()), " and ", to_string(b.device()));
}

void check_can_cast(DType from, DType to, const char* op) {
  MT_CHECK(category(from) <= category(to), op, "(): result type ", scalar_type_name(from),
           " can't be cast to the desired output type ", scalar_type_name(to));
}

}  // namespace mt
