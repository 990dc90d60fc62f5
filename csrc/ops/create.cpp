// Creation, conversion and the exchange of memory with NumPy and Python.
#include "ops/copy.h"
#include "ops/dispatch.h"
#include "ops/layout.h"

namespace mt {
namespace {

Tensor empty_op(const Dims& sizes, DType dtype, Device device) {
  return empty(sizes, dtype, device);
}
Tensor empty_strided_op(const Dims& sizes, const Dims& strides, DType dtype, Device device) {
  return empty_strided(sizes, strides, dtype, device);
}

Tensor full(const Dims& sizes, const Scalar& value, DType dtype, Device device) {
  Tensor y = empty(sizes, dtype, device);
  copy_into(y, scalar_tensor(value, dtype, {}));
  return y;
}

void fill_(const Tensor& x, const Scalar& value) {
  check_no_overlap(x, "fill_");
  copy_into(x, scalar_tensor(value, x.dtype(), {}));
  x.bump_version();
}

Tensor arange_op(const Scalar& start, const Scalar& end, const Scalar& step, DType dtype,
                 Device device) {
  MT_CHECK(step.d != 0, "arange(): step must be nonzero");
  MT_CHECK(__builtin_isfinite(start.d) && __builtin_isfinite(end.d),
           "arange(): unsupported range: ", start.d, " -> ", end.d);
  MT_CHECK((step.d > 0 && end.d >= start.d) || (step.d < 0 && end.d <= start.d),
           "arange(): upper bound and lower bound inconsistent with step sign");
  bool ints =
      start.kind != Scalar::Float && end.kind != Scalar::Float && step.kind != Scalar::Float;
  double span = __builtin_ceil((end.d - start.d) / step.d);
  MT_CHECK(span < 0x1p62, "arange(): invalid size, possible overflow");
  int64_t n = int64_t(span);
  if (ints)  // exact where doubles are not
    n = step.i > 0 ? ceil_div(end.i - start.i, step.i) : ceil_div(start.i - end.i, -step.i);
  Tensor y = empty({n}, dtype, device);
  MT_DISPATCH(device, n, arange, dtype, y.data(), n, start.d, step.d, start.i, step.i);
  return y;
}

Tensor linspace_op(double start, double end, int64_t steps, DType dtype, Device device) {
  MT_CHECK(steps >= 0, "linspace(): number of steps must be non-negative, got ", steps);
  Tensor y = empty({steps}, dtype, device);
  if (steps) MT_DISPATCH(device, steps, linspace, dtype, y.data(), steps, start, end);
  return y;
}

void copy_(const Tensor& dst, const Tensor& src) {
  check_no_overlap(dst, "copy_");
  Dims shape = broadcast_shapes(dst.sizes(), src.sizes(), "copy_");
  MT_CHECK(shape == dst.sizes(), "copy_(): output with shape ", dst.sizes(),
           " doesn't match the broadcast shape ", shape);
  if (partly_overlaps(dst, src)) {
    Tensor copied = empty_like(src);
    copy_into(copied, src);
    copy_into(dst, copied);
  } else {
    copy_into(dst, src);
  }
  dst.bump_version();
}

Tensor cast(const Tensor& x, DType dtype) {
  Tensor y = empty_like_layout(x, dtype);
  copy_into(y, x);
  return y;
}

// A copy; a dense x keeps its strides where `preserve` is set.
Tensor clone(const Tensor& x, bool preserve) {
  Tensor y = preserve && is_dense(x) ? empty_strided(x.sizes(), x.strides(), x.dtype(), x.device())
                                     : empty_like(x);
  copy_into(y, x);
  return y;
}

// Unspecified content, laid out as x is.
Tensor empty_like_op(const Tensor& x, DType dtype, Device device) {
  if (x.is_contiguous()) return empty(x.sizes(), dtype, device);
  const Dims strides = empty_like_layout(x, dtype).strides();
  return empty_strided(x.sizes(), strides, dtype, device);
}

// The Python number at p, a new reference.
PyObject* number_at(const char* p, DType dtype) {
  switch (dtype) {
    case DType::Bool:
      return PyBool_FromLong(*p != 0);
    case DType::UInt8:
      return PyLong_FromLong(*reinterpret_cast<const uint8_t*>(p));
    case DType::Int8:
      return PyLong_FromLong(*reinterpret_cast<const int8_t*>(p));
    case DType::Int16:
      return PyLong_FromLong(*reinterpret_cast<const int16_t*>(p));
    case DType::Int32:
      return PyLong_FromLong(*reinterpret_cast<const int32_t*>(p));
    case DType::Int64:
      return PyLong_FromLongLong(*reinterpret_cast<const int64_t*>(p));
    case DType::Float16:
      return PyFloat_FromDouble(to_float(*reinterpret_cast<const float16*>(p)));
    case DType::BFloat16:
      return PyFloat_FromDouble(to_float(*reinterpret_cast<const bfloat16*>(p)));
    case DType::Float32:
      return PyFloat_FromDouble(*reinterpret_cast<const float*>(p));
    case DType::Float64:
      return PyFloat_FromDouble(*reinterpret_cast<const double*>(p));
  }
  return nullptr;
}

py::object item(const Tensor& on_device) {
  MT_CHECK(on_device.numel() == 1, "item(): a Tensor with ", on_device.numel(),
           " elements cannot be converted to Scalar");
  const Tensor x = to_device(on_device, {});
  return py::reinterpret_steal<py::object>(number_at(x.data<char>(), x.dtype()));
}

py::object nested(const char* p, const Tensor& x, int dim) {
  if (dim == x.dim()) return py::reinterpret_steal<py::object>(number_at(p, x.dtype()));
  const int64_t n = x.size(dim), step = x.stride(dim) * int64_t(itemsize(x.dtype()));
  auto list = py::reinterpret_steal<py::object>(PyList_New(n));
  if (!list) throw py::error_already_set();
  for (int64_t i = 0; i < n; i++) {
    py::object element = nested(p + i * step, x, dim + 1);
    if (!element) throw py::error_already_set();
    PyList_SET_ITEM(list.ptr(), i, element.release().ptr());
  }
  return list;
}

py::object tolist(const Tensor& x) {
  const Tensor host = to_device(x, {});
  return nested(host.data<char>(), host, 0);
}

// The device that a string, a number or None stands for, "cuda" as the current GPU.
py::object resolve_device(Device device) {
  return py::reinterpret_borrow<py::object>(device_object(device));
}

// The tensor on another device, a copy of the bytes; the dtype stays, and the order of a dense x.
Tensor to_device_op(const Tensor& x, Device device, bool non_blocking) {
  if (x.device() == device) return alias(x);
  if (x.is_contiguous() || !is_dense(x)) return to_device(x, device, non_blocking);
  const Tensor row = as_strided(x, {x.numel()}, {1}, x->offset);
  return as_strided(to_device(row, device, non_blocking), x.sizes(), x.strides(), 0);
}

// Shape and kind of a nested sequence of numbers: the kind is the widest of bool, int, float.
void scan(PyObject* o, Dims& shape, int depth, Scalar::Kind& kind) {
  if (PyList_Check(o) || PyTuple_Check(o)) {
    int64_t n = PySequence_Fast_GET_SIZE(o);
    if (depth == shape.n) {
      shape.push(n);
    } else {
      MT_CHECK_VALUE(shape[depth] == n, "tensor(): expected sequence of length ", shape[depth],
                     " at dim ", depth, " (got ", n, ")");
    }
    for (int64_t i = 0; i < n; i++) {
      PyObject* inner = PySequence_Fast_GET_ITEM(o, i);
      bool nested = PyList_Check(inner) || PyTuple_Check(inner);
      MT_CHECK_VALUE(nested || depth + 1 == shape.n, "tensor(): expected a sequence of length ",
                     depth + 1 < shape.n ? shape[depth + 1] : 0, " at dim ", depth + 1,
                     " (got a number)");
      MT_CHECK_VALUE(!nested || depth + 1 < shape.n || i == 0,
                     "tensor(): expected a number at dim ", depth + 1, " (got a sequence)");
      scan(inner, shape, depth + 1, kind);
    }
    return;
  }
  Scalar s = scalar_from_python(o);
  if (s.kind > kind) kind = s.kind;
}

void store(PyObject* o, DType dtype, char*& p) {
  if (PyList_Check(o) || PyTuple_Check(o)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); i++)
      store(PySequence_Fast_GET_ITEM(o, i), dtype, p);
    return;
  }
  Scalar s = scalar_from_python(o);
  switch (dtype) {
    case DType::Bool:
      *reinterpret_cast<bool*>(p) = s.d != 0;
      break;
    case DType::UInt8:
      *reinterpret_cast<uint8_t*>(p) = uint8_t(s.i);
      break;
    case DType::Int8:
      *reinterpret_cast<int8_t*>(p) = int8_t(s.i);
      break;
    case DType::Int16:
      *reinterpret_cast<int16_t*>(p) = int16_t(s.i);
      break;
    case DType::Int32:
      *reinterpret_cast<int32_t*>(p) = int32_t(s.i);
      break;
    case DType::Int64:
      *reinterpret_cast<int64_t*>(p) = s.i;
      break;
    case DType::Float16:
      *reinterpret_cast<float16*>(p) = to_float16(float(s.d));
      break;
    case DType::BFloat16:
      *reinterpret_cast<bfloat16*>(p) = to_bfloat16(float(s.d));
      break;
    case DType::Float32:
      *reinterpret_cast<float*>(p) = float(s.d);
      break;
    case DType::Float64:
      *reinterpret_cast<double*>(p) = s.d;
      break;
  }
  p += itemsize(dtype);
}

// tensor(data, dtype or None, default float dtype) from numbers and nested sequences of them.
Tensor from_sequence(py::handle data, std::optional<DType> dtype, DType default_float) {
  Dims shape;
  Scalar::Kind kind = Scalar::Bool;
  PyObject* first = data.ptr();
  while ((PyList_Check(first) || PyTuple_Check(first)) && PySequence_Fast_GET_SIZE(first) > 0) {
    shape.push(PySequence_Fast_GET_SIZE(first));
    first = PySequence_Fast_GET_ITEM(first, 0);
  }
  if (PyList_Check(first) || PyTuple_Check(first)) shape.push(0);
  scan(data.ptr(), shape, 0, kind);
  bool has_elements = shape.product() > 0;
  DType natural = kind == Scalar::Float || !has_elements ? default_float
                  : kind == Scalar::Int                  ? DType::Int64
                                                         : DType::Bool;
  Tensor y = empty(shape, dtype.value_or(natural), {});
  char* p = y.data<char>();
  if (has_elements) store(data.ptr(), y.dtype(), p);
  return y;
}

// A tensor over the memory of an object with __array_interface__ data (NumPy arrays); it keeps the
// object alive.
Tensor from_address(int64_t address, const Dims& sizes, const Dims& strides, DType dtype,
                    py::handle owner) {
  for (int64_t s : strides)
    MT_CHECK_VALUE(
        s >= 0,
        "from_numpy(): At least one stride in the given numpy array is negative, and tensors "
        "with negative strides are not currently supported. (You can probably work around "
        "this by making a copy of your array with array.copy().)");
  return from_object(reinterpret_cast<void*>(address), sizes, strides, dtype, owner);
}

void resize_(const Tensor& x, const Dims& sizes) {
  if (x.sizes() == sizes) return;
  size_t need = size_t(x->offset + sizes.product()) * itemsize(x.dtype());
  for (int64_t s : sizes) MT_CHECK(s >= 0, "resize_(): negative size in ", sizes);
  if (need > x->storage->nbytes) {
    MT_CHECK(x->storage->refs.load() == 1 || x->storage->nbytes == 0,
             "resize_(): cannot grow a tensor whose storage is shared with other tensors");
    x->storage->resize(need);
  }
  Dims strides = contiguous_strides(sizes);
  TensorImpl* impl = x.impl();
  impl->data =
      static_cast<char*>(impl->storage->data) + impl->offset * int64_t(itemsize(x.dtype()));
  impl->ndim = uint8_t(sizes.n);
  impl->numel = sizes.product();
  impl->contiguous = true;
  for (int i = 0; i < sizes.n; i++) {
    impl->sizes[i] = sizes[i];
    impl->strides[i] = strides[i];
  }
  x.bump_version();
}

// Memory shared by the two tensors' storages.
bool same_storage(const Tensor& a, const Tensor& b) { return a->storage == b->storage; }
int64_t storage_nbytes(const Tensor& a) { return int64_t(a->storage->nbytes); }
int64_t storage_data_ptr(const Tensor& a) { return int64_t(a->storage->data); }

}  // namespace

MT_BIND(create) {
  def_plain<&empty_op>(m, "empty");
  def_plain<&empty_strided_op>(m, "empty_strided");
  def_plain<&full>(m, "full");
  def_plain<&fill_>(m, "fill_");
  def_plain<&arange_op>(m, "arange");
  def_plain<&linspace_op>(m, "linspace");
  def_plain<&copy_, kAnyDevice>(m, "copy_");
  def_op<&cast>(m, "cast");
  def_op<&clone>(m, "clone");
  def_plain<&empty_like_op>(m, "empty_like");
  def_op<&to_device_op>(m, "to_device");
  def_plain<&resolve_device>(m, "resolve_device");
  def_plain<&item>(m, "item");
  def_plain<&tolist>(m, "tolist");
  def_plain<&from_sequence>(m, "from_sequence");
  def_plain<&from_address>(m, "from_address");
  def_plain<&resize_>(m, "resize_");
  def_plain<&same_storage, kAnyDevice>(m, "same_storage");
  def_plain<&storage_nbytes>(m, "storage_nbytes");
  def_plain<&storage_data_ptr>(m, "storage_data_ptr");
}

}  // namespace mt
