// NumPy arrays over the memory of tensors and the other way round, by the C structure of NumPy's
// array interface: no dict, no string and no Python number per array.
#include "core/dtype.h"
#include "python/bind.h"

namespace mt {
namespace {

// The structure that "__array_struct__" capsules point to, version 2 of the interface.
struct ArrayInterface {
  int two, ndim;
  char kind;  // of the dtype: b u i f
  int itemsize, flags;
  Py_intptr_t *shape, *strides;  // strides in bytes
  void* data;
  PyObject* descr;
};
constexpr int kAligned = 0x100, kNativeOrder = 0x200, kWriteable = 0x400;

char kind_of(DType t) {
  if (t == DType::Bool) return 'b';
  if (t == DType::UInt8) return 'u';
  return is_floating(t) ? 'f' : 'i';
}

bool dtype_of(char kind, int size, DType* out) {
  for (DType t : {DType::Float32, DType::Float64, DType::Int64, DType::Int32, DType::UInt8,
                  DType::Bool, DType::Float16, DType::Int16, DType::Int8}) {
    if (kind_of(t) != kind || int(itemsize(t)) != size) continue;
    *out = t;
    return true;
  }
  return false;
}

void free_interface(PyObject* capsule) { PyMem_Free(PyCapsule_GetPointer(capsule, nullptr)); }

struct Released {  // an owned reference
  PyObject* object;
  ~Released() { Py_XDECREF(object); }
};

// A tensor over the array's memory, which it keeps alive; nothing where the array is not writeable
// or its elements or strides are not those of a tensor.
Tensor from_array(py::handle array) {
  const Released held{PyObject_GetAttrString(array.ptr(), "__array_struct__")};
  if (!held.object) PyErr_Clear();
  if (!held.object || !PyCapsule_IsValid(held.object, nullptr)) return {};
  const auto* a = static_cast<ArrayInterface*>(PyCapsule_GetPointer(held.object, nullptr));
  constexpr int kNeeded = kAligned | kNativeOrder | kWriteable;
  DType dtype;
  if (a->two != 2 || (a->flags & kNeeded) != kNeeded || a->ndim > kMaxDims ||
      !dtype_of(a->kind, a->itemsize, &dtype))
    return {};
  Dims sizes, strides;
  for (int i = 0; i < a->ndim; i++) {
    if (a->strides[i] < 0 || a->strides[i] % a->itemsize != 0) return {};
    sizes.push(a->shape[i]);
    strides.push(a->strides[i] / a->itemsize);
  }
  return from_object(a->data, sizes, strides, dtype, array);
}

}  // namespace

Tensor from_object(void* data, const Dims& sizes, const Dims& strides, DType dtype,
                   py::handle owner) {
  auto release = [](Storage* storage) {
    // The last view may go away on a thread without the GIL.
    PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF(static_cast<PyObject*>(storage->owner));
    PyGILState_Release(state);
  };
  return from_blob(data, sizes, strides, dtype, {}, release, owner.inc_ref().ptr());
}

PyObject* get_array_struct(TensorObject* t, void*) {
  const Tensor& x = t->tensor;
  if (x.requires_grad()) {
    PyErr_SetString(PyExc_RuntimeError,
                    "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() "
                    "instead.");
    return nullptr;
  }
  if (!x.device().is_cpu()) {
    PyErr_Format(
        PyExc_TypeError,
        "can't convert %s device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
        "to host memory first.",
        to_string(x.device()).c_str());
    return nullptr;
  }
  if (x.dtype() == DType::BFloat16) {
    PyErr_SetString(PyExc_TypeError, "NumPy has no bfloat16: convert with .float() first");
    return nullptr;
  }
  const int n = x.dim(), size = int(itemsize(x.dtype()));
  auto* a = static_cast<ArrayInterface*>(
      PyMem_Malloc(sizeof(ArrayInterface) + 2 * size_t(n) * sizeof(Py_intptr_t)));
  if (!a) return PyErr_NoMemory();
  auto* numbers = reinterpret_cast<Py_intptr_t*>(a + 1);
  *a = {2,       n,           kind_of(x.dtype()), size,   kAligned | kNativeOrder | kWriteable,
        numbers, numbers + n, x.data(),           nullptr};
  for (int i = 0; i < n; i++) {
    a->shape[i] = x.size(i);
    a->strides[i] = x.stride(i) * size;
  }
  PyObject* capsule = PyCapsule_New(a, nullptr, &free_interface);
  if (!capsule) PyMem_Free(a);
  return capsule;
}

MT_BIND(array) { def_plain<&from_array>(m, "from_array"); }

}  // namespace mt
