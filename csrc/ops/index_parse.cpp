#include "ops/index_parse.h"

#include "ops/dispatch.h"
#include "ops/masked_ops.h"

namespace mt {
namespace {

enum class Kind : uint8_t { Int, Slice, None, Ellipsis, Bool, Integers, Mask };

struct Item {
  Kind kind;
  int64_t value = 0;      // of an int or a bool
  PyObject* o = nullptr;  // a slice, borrowed
  Tensor tensor = {};
};

bool is_mask(const Tensor& t) { return t.dtype() == DType::Bool || t.dtype() == DType::UInt8; }

Item item_of_tensor(const Tensor& t) {
  MT_CHECK_INDEX(!is_floating(t.dtype()),
                 "tensors used as indices must be long, int, byte or bool tensors, got ",
                 t.dtype());
  if (is_mask(t)) return {Kind::Mask, 0, nullptr, to_dtype(t, DType::Bool)};
  Tensor k = to_dtype(t, DType::Int64);
  if (k.dim() == 0) return {Kind::Int, *to_device(k, {}).data<int64_t>()};
  return {Kind::Integers, 0, nullptr, k};
}

Item item_of(PyObject* o) {
  if (MT_LIKELY(PyLong_CheckExact(o))) return {Kind::Int, int_from_python(o)};
  if (PySlice_Check(o)) return {Kind::Slice, 0, o};
  if (o == Py_None) return {Kind::None};
  if (o == Py_Ellipsis) return {Kind::Ellipsis};
  if (PyBool_Check(o)) return {Kind::Bool, o == Py_True};
  if (is_tensor(o)) return item_of_tensor(FromPython<Tensor>::get(o));
  if (PyFloat_Check(o) || PyUnicode_Check(o) || PyDict_Check(o))
    fail(ErrorKind::Index,
         "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
         "indices (got ",
         Py_TYPE(o)->tp_name, ")");
  if (PyIndex_Check(o) && !PySequence_Check(o)) return {Kind::Int, int_from_python(o)};
  Tensor t = tensor_from_object(o);
  if (t.numel() == 0 && is_floating(t.dtype())) t = to_dtype(t, DType::Int64);  // x[[]]
  return item_of_tensor(t);
}

// The items of an index, with the Ellipsis known and the number of x's dims that they use.
struct Items {
  Item item[2 * kMaxDims];
  int n = 0, used = 0;
  bool ellipsis = false;

  explicit Items(PyObject* index) {
    if (!PyTuple_Check(index)) {
      add(item_of(index));
      return;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(index);
    for (Py_ssize_t i = 0; i < count; i++) add(item_of(PyTuple_GET_ITEM(index, i)));
  }

  void add(Item&& next) {
    MT_CHECK_INDEX(n < 2 * kMaxDims, "too many indices: at most ", 2 * kMaxDims);
    switch (next.kind) {
      case Kind::Ellipsis:
        MT_CHECK_INDEX(!ellipsis, "an index can only have a single ellipsis ('...')");
        ellipsis = true;
        break;
      case Kind::None:
      case Kind::Bool:
        break;
      case Kind::Mask:
        used += next.tensor.dim();
        break;
      default:
        used++;
    }
    item[n++] = std::move(next);
  }
};

struct Range {
  int64_t start, length, step;
};

// A slice with a positive step of a dim of n elements.
Range range_of(PyObject* slice, int64_t n) {
  auto* s = reinterpret_cast<PySliceObject*>(slice);
  Py_ssize_t start = 0, stop = n, step = 1;
  if (s->start != Py_None || s->stop != Py_None || s->step != Py_None) {
    if (PySlice_Unpack(slice, &start, &stop, &step) < 0) {
      if (!PyErr_ExceptionMatches(PyExc_ValueError)) throw py::error_already_set();
      PyErr_Clear();
      step = 0;
    }
    MT_CHECK_VALUE(step > 0, "step must be greater than zero");
  }
  Py_ssize_t length = PySlice_AdjustIndices(n, &start, &stop, step);
  return {start, length, step};
}

Tensor truth_index(bool on, Device device) {
  Tensor t = empty({on ? 1 : 0}, DType::Int64, device);
  copy_into(t, scalar_tensor(Scalar::of(int64_t(0)), DType::Int64, {}));
  return t;
}

void put_mask(const Tensor& x, const Tensor& mask, int dim, ParsedIndex& out) {
  if (mask.dim() == 0) {
    out.index[out.sizes.n] = truth_index(*to_device(mask, {}).data<bool>(), x.device());
    out.sizes.push(1);
    out.strides.push(0);
    return;
  }
  for (int i = 0; i < mask.dim(); i++)
    MT_CHECK_INDEX(mask.size(i) == x.size(dim + i), "The shape of the mask ", mask.sizes(),
                   " at index ", i, " does not match the shape of the indexed tensor ", x.sizes(),
                   " at index ", dim + i);
  Tensor places = nonzero_of_mask(mask, /*columns=*/true);  // (mask.dim(), count)
  for (int i = 0; i < mask.dim(); i++) {
    out.index[out.sizes.n] =
        as_strided(places, {places.size(1)}, {1}, places->offset + i * places.size(1));
    out.sizes.push(x.size(dim + i));
    out.strides.push(x.stride(dim + i));
  }
}

}  // namespace

Tensor tensor_from_object(PyObject* o) {
  static PyObject* convert =
      py::object(py::module_::import("minitorch").attr("as_tensor")).release().ptr();
  py::object t = py::reinterpret_steal<py::object>(PyObject_CallOneArg(convert, o));
  if (!t) throw py::error_already_set();
  return FromPython<Tensor>::get(t.ptr());
}

const Tensor* full_mask(const Tensor& x, PyObject* index) {
  if (!is_tensor(index)) return nullptr;
  const Tensor& mask = FromPython<Tensor>::get(index);
  return mask.dtype() == DType::Bool && mask.dim() > 0 && mask.same_shape(x) ? &mask : nullptr;
}

void parse_index(const Tensor& x, PyObject* index, ParsedIndex& out) {
  out.offset = x->offset;
  // The two commonest indices need no list of items.
  bool is_int = PyLong_CheckExact(index);
  if (x.dim() > 0 && (is_int || PySlice_Check(index))) {
    out.sizes = x.sizes();
    out.strides = x.strides();
    int64_t n = x.size(0), stride = x.stride(0);
    out.whole = false;
    if (is_int) {
      int64_t k = int_from_python(index);
      MT_CHECK_INDEX(k >= -n && k < n, "index ", k, " is out of bounds for dimension 0 with size ",
                     n);
      out.offset += (k < 0 ? k + n : k) * stride;
      out.sizes.erase(0);
      out.strides.erase(0);
    } else {
      Range r = range_of(index, n);
      out.offset += r.length ? r.start * stride : 0;
      out.sizes[0] = r.length;
      out.strides[0] = stride * r.step;
    }
    return;
  }

  Items items(index);
  MT_CHECK_INDEX(items.used <= x.dim(), "too many indices for tensor of dimension ", x.dim());
  int dim = 0;
  auto keep = [&](int count) {
    for (; count > 0; count--, dim++) {
      out.sizes.push(x.size(dim));
      out.strides.push(x.stride(dim));
    }
  };
  for (int i = 0; i < items.n; i++) {
    const Item& item = items.item[i];
    switch (item.kind) {
      case Kind::Int: {
        int64_t n = x.size(dim), k = item.value;
        MT_CHECK_INDEX(k >= -n && k < n, "index ", k, " is out of bounds for dimension ", dim,
                       " with size ", n);
        out.offset += (k < 0 ? k + n : k) * x.stride(dim);
        out.whole = false;
        dim++;
        break;
      }
      case Kind::Slice: {
        int64_t n = x.size(dim);
        Range r = range_of(item.o, n);
        out.offset += r.length ? r.start * x.stride(dim) : 0;
        out.whole = out.whole && r.length == n;
        out.sizes.push(r.length);
        out.strides.push(x.stride(dim) * r.step);
        dim++;
        break;
      }
      case Kind::None:
        out.whole = false;
        out.strides.push(dim < x.dim() ? x.size(dim) * x.stride(dim) : 1);
        out.sizes.push(1);
        break;
      case Kind::Ellipsis:
        keep(x.dim() - items.used);
        break;
      case Kind::Bool:
        out.whole = false;
        out.advanced = true;
        out.index[out.sizes.n] = truth_index(item.value, x.device());
        out.sizes.push(1);
        out.strides.push(0);
        break;
      case Kind::Mask:
        out.advanced = true;
        out.whole = out.whole && item.tensor.dim() > 0;
        put_mask(x, to_device(item.tensor, x.device()), dim, out);
        dim += item.tensor.dim();
        break;
      case Kind::Integers:
        out.advanced = true;
        out.index[out.sizes.n] = to_device(item.tensor, x.device());
        keep(1);
        break;
    }
  }
  keep(x.dim() - dim);
}

py::object basic_part(const Tensor& x, PyObject* index) {
  Items items(index);
  py::list parts;
  py::object all = py::reinterpret_steal<py::object>(PySlice_New(nullptr, nullptr, nullptr));
  for (int i = 0; i < items.n; i++) {
    const Item& item = items.item[i];
    switch (item.kind) {
      case Kind::Int:
        parts.append(py::int_(item.value));
        break;
      case Kind::Slice:
        parts.append(py::reinterpret_borrow<py::object>(item.o));
        break;
      case Kind::Ellipsis:
        for (int d = items.used; d < x.dim(); d++) parts.append(all);
        break;
      case Kind::None:
      case Kind::Bool:
        parts.append(py::none());
        break;
      case Kind::Mask:
        if (item.tensor.dim() == 0) parts.append(py::none());
        for (int d = 0; d < item.tensor.dim(); d++) parts.append(all);
        break;
      case Kind::Integers:
        parts.append(all);
        break;
    }
  }
  return py::tuple(parts);
}

}  // namespace mt
