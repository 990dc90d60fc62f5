// The Python object of a tensor: a plain CPython type, since its creation is part of every op.
// minitorch.Tensor is its Python subclass; instances that C++ returns are of that subclass.
#pragma once
#include <pybind11/pybind11.h>

#include "core/tensor.h"

namespace mt {
namespace py = pybind11;

struct TensorObject {
  PyObject_HEAD Tensor tensor;
  PyObject* grad;     // Tensor or null
  PyObject* grad_fn;  // Node or null
  PyObject* base;     // the tensor that this one is a view of, or null
  PyObject* hooks;    // dict of gradient hooks, or null
  PyObject* dict;
  PyObject* weakrefs;
  uint32_t output_nr;     // which output of grad_fn this is
  uint32_t view_version;  // storage version at which a view's grad_fn was right
};

extern PyTypeObject TensorBaseType;
extern PyTypeObject* tensor_class;  // minitorch.Tensor

inline bool is_tensor(PyObject* o) {
  return Py_TYPE(o) == tensor_class || PyObject_TypeCheck(o, &TensorBaseType);
}
inline TensorObject* as_object(PyObject* o) { return reinterpret_cast<TensorObject*>(o); }

// New reference. `cls` null: minitorch.Tensor.
PyObject* wrap(Tensor tensor, PyTypeObject* cls = nullptr);

// A view whose base was changed in place under autograd has a new history; this looks it up.
void refresh_view(TensorObject* t);
inline bool is_stale_view(TensorObject* t) {
  return t->base && t->view_version != t->tensor->storage->version;
}

// The grad modes of this thread.
struct GradMode {
  bool enabled = true;
  bool inference = false;
};
extern thread_local GradMode grad_mode;

PyObject* dtype_object(DType t);            // borrowed
PyObject* device_object(Device d);          // borrowed
bool parse_dtype(PyObject* o, DType* out);  // false: not a dtype
Device parse_device(PyObject* o);
PyObject* make_size(const int64_t* v, int n);  // minitorch.Size, new reference

// The getter of __array_struct__, by which NumPy sees a tensor's memory.
PyObject* get_array_struct(TensorObject* t, void*);

void init_tensor_type(py::module_& m);
void init_dtype_type(py::module_& m);
void init_node_type(py::module_& m);
extern PyObject* OutOfMemoryError;

// Sets the Python error that belongs to the C++ exception in flight.
void translate_exception() noexcept;

}  // namespace mt
