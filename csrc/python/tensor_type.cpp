#include "python/tensor_type.h"

#include <cstddef>
#include <new>

namespace mt {

PyTypeObject TensorBaseType = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyTypeObject* tensor_class = &TensorBaseType;  // until minitorch registers its own
thread_local GradMode grad_mode;
PyObject* OutOfMemoryError = nullptr;

namespace {

PyObject* size_class = nullptr;
PyObject* view_refresher = nullptr;  // minitorch.autograd's: (view) -> None

PyObject* tensor_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self) new (&as_object(self)->tensor) Tensor();
  return self;
}

int tensor_traverse(PyObject* self, visitproc visit, void* arg) {
  auto* t = as_object(self);
  Py_VISIT(t->grad);
  Py_VISIT(t->grad_fn);
  Py_VISIT(t->base);
  Py_VISIT(t->hooks);
  Py_VISIT(t->dict);
  return 0;
}

int tensor_clear(PyObject* self) {
  auto* t = as_object(self);
  Py_CLEAR(t->grad);
  Py_CLEAR(t->grad_fn);
  Py_CLEAR(t->base);
  Py_CLEAR(t->hooks);
  Py_CLEAR(t->dict);
  return 0;
}

void tensor_dealloc(PyObject* self) {
  auto* t = as_object(self);
  PyObject_GC_UnTrack(self);
  if (t->weakrefs) PyObject_ClearWeakRefs(self);
  tensor_clear(self);
  t->tensor.~Tensor();
  Py_TYPE(self)->tp_free(self);
}

#define MT_GETTER(name) PyObject* get_##name([[maybe_unused]] TensorObject* t, void*)
PyObject* new_or_none(PyObject* o) { return Py_NewRef(o ? o : Py_None); }

MT_GETTER(shape) { return make_size(t->tensor->sizes, t->tensor->ndim); }
MT_GETTER(dtype) { return Py_NewRef(dtype_object(t->tensor.dtype())); }
MT_GETTER(device) { return Py_NewRef(device_object(t->tensor.device())); }
MT_GETTER(ndim) { return PyLong_FromLong(t->tensor.dim()); }
MT_GETTER(grad) { return new_or_none(t->grad); }
MT_GETTER(base) { return new_or_none(t->base); }
MT_GETTER(hooks) { return new_or_none(t->hooks); }
MT_GETTER(version) { return PyLong_FromUnsignedLong(t->tensor->storage->version); }
MT_GETTER(output_nr) { return PyLong_FromUnsignedLong(t->output_nr); }
MT_GETTER(inference) { return PyBool_FromLong(t->tensor->inference); }
MT_GETTER(view_version) { return PyLong_FromUnsignedLong(t->view_version); }

bool refresh(TensorObject* t) {
  if (!is_stale_view(t)) return true;
  try {
    refresh_view(t);
  } catch (...) {
    translate_exception();
    return false;
  }
  return true;
}

MT_GETTER(grad_fn) {
  if (!refresh(t)) return nullptr;
  return new_or_none(t->grad_fn);
}
MT_GETTER(requires_grad) {
  if (!refresh(t)) return nullptr;
  return PyBool_FromLong(t->tensor.requires_grad());
}
MT_GETTER(is_leaf) {
  if (!refresh(t)) return nullptr;
  return PyBool_FromLong(t->grad_fn == nullptr);
}

int set_requires_grad(TensorObject* t, PyObject* value, void*) {
  int on = value ? PyObject_IsTrue(value) : -1;
  if (on < 0) return -1;
  if (t->grad_fn && !on) {
    PyErr_SetString(
        PyExc_RuntimeError,
        "you can only change requires_grad flags of leaf variables. If you want to use a "
        "computed variable in a subgraph that doesn't require differentiation use "
        "var_no_grad = var.detach().");
    return -1;
  }
  if (on && !is_floating(t->tensor.dtype())) {
    PyErr_Format(PyExc_RuntimeError,
                 "only Tensors of floating point dtype can require gradients, got %s",
                 dtype_name(t->tensor.dtype()));
    return -1;
  }
  if (on && t->tensor->inference && !grad_mode.inference) {
    PyErr_SetString(PyExc_RuntimeError,
                    "Setting requires_grad=True on inference tensor outside InferenceMode is not "
                    "allowed.");
    return -1;
  }
  t->tensor->requires_grad = on;
  return 0;
}

int set_grad(TensorObject* t, PyObject* value, void*) {
  if (!value || value == Py_None) {
    Py_CLEAR(t->grad);
    return 0;
  }
  if (!is_tensor(value)) {
    PyErr_Format(PyExc_TypeError, "assigned grad expected to be a Tensor or None but got '%s'",
                 Py_TYPE(value)->tp_name);
    return -1;
  }
  auto* g = as_object(value);
  if (!g->tensor.same_shape(t->tensor) || g->tensor.dtype() != t->tensor.dtype() ||
      !(g->tensor.device() == t->tensor.device())) {
    std::string text =
        concat("assigned grad has shape ", g->tensor.sizes(), ", dtype ", g->tensor.dtype(),
               "; the tensor has shape ", t->tensor.sizes(), ", dtype ", t->tensor.dtype());
    PyErr_SetString(PyExc_RuntimeError, text.c_str());
    return -1;
  }
  Py_XSETREF(t->grad, Py_NewRef(value));
  return 0;
}

int set_grad_fn(TensorObject* t, PyObject* value, void*) {
  Py_XSETREF(t->grad_fn, value && value != Py_None ? Py_NewRef(value) : nullptr);
  t->view_version = t->tensor->storage->version;
  return 0;
}
int set_base(TensorObject* t, PyObject* value, void*) {
  Py_XSETREF(t->base, value && value != Py_None ? Py_NewRef(value) : nullptr);
  t->view_version = t->tensor->storage->version;
  return 0;
}
int set_hooks(TensorObject* t, PyObject* value, void*) {
  Py_XSETREF(t->hooks, value && value != Py_None ? Py_NewRef(value) : nullptr);
  return 0;
}
int set_output_nr(TensorObject* t, PyObject* value, void*) {
  long nr = value ? PyLong_AsLong(value) : -1;
  if (nr < 0) return -1;
  t->output_nr = uint32_t(nr);
  return 0;
}

PyGetSetDef getset[] = {
    {"shape", getter(get_shape), nullptr, "Sizes of the tensor, a Size.", nullptr},
    {"dtype", getter(get_dtype), nullptr, "Element type.", nullptr},
    {"device", getter(get_device), nullptr, "Where the storage lies.", nullptr},
    {"ndim", getter(get_ndim), nullptr, "Number of dimensions.", nullptr},
    {"requires_grad", getter(get_requires_grad), setter(set_requires_grad),
     "Whether gradients are computed for this tensor.", nullptr},
    {"grad", getter(get_grad), setter(set_grad), "The accumulated gradient, or None.", nullptr},
    {"grad_fn", getter(get_grad_fn), setter(set_grad_fn), "The node that made this tensor.",
     nullptr},
    {"is_leaf", getter(get_is_leaf), nullptr, "True where no recorded op made this tensor.",
     nullptr},
    {"output_nr", getter(get_output_nr), setter(set_output_nr), nullptr, nullptr},
    {"__array_struct__", getter(get_array_struct), nullptr, nullptr, nullptr},
    {"_base", getter(get_base), setter(set_base), nullptr, nullptr},
    {"_backward_hooks", getter(get_hooks), setter(set_hooks), nullptr, nullptr},
    {"_version", getter(get_version), nullptr, "How often the storage was changed in place.",
     nullptr},
    {"_view_version", getter(get_view_version), nullptr, nullptr, nullptr},
    {"_inference", getter(get_inference), nullptr, nullptr, nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyObject* method_dim(PyObject* self, PyObject*) {
  return PyLong_FromLong(as_object(self)->tensor.dim());
}
PyObject* method_numel(PyObject* self, PyObject*) {
  return PyLong_FromLongLong(as_object(self)->tensor.numel());
}
PyObject* method_element_size(PyObject* self, PyObject*) {
  return PyLong_FromSize_t(itemsize(as_object(self)->tensor.dtype()));
}
PyObject* method_storage_offset(PyObject* self, PyObject*) {
  return PyLong_FromLongLong(as_object(self)->tensor->offset);
}
PyObject* method_data_ptr(PyObject* self, PyObject*) {
  return PyLong_FromVoidPtr(as_object(self)->tensor.data());
}

PyMethodDef methods[] = {
    {"dim", method_dim, METH_NOARGS, "Number of dimensions."},
    {"ndimension", method_dim, METH_NOARGS, "Number of dimensions."},
    {"numel", method_numel, METH_NOARGS, "Number of elements."},
    {"nelement", method_numel, METH_NOARGS, "Number of elements."},
    {"element_size", method_element_size, METH_NOARGS, "Bytes of one element."},
    {"storage_offset", method_storage_offset, METH_NOARGS, "First element's place in the storage."},
    {"data_ptr", method_data_ptr, METH_NOARGS, "Address of the first element."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

PyObject* wrap(Tensor tensor, PyTypeObject* cls) {
  if (!cls) cls = tensor_class;
  PyObject* self = cls->tp_alloc(cls, 0);
  if (!self) return nullptr;
  if (MT_UNLIKELY(grad_mode.inference)) tensor->inference = true;
  new (&as_object(self)->tensor) Tensor(std::move(tensor));
  return self;
}

void refresh_view(TensorObject* t) {
  t->view_version = t->tensor->storage->version;
  auto* base = as_object(t->base);
  if (!base->tensor.requires_grad() && !base->grad_fn) return;
  PyObject* result = PyObject_CallOneArg(view_refresher, reinterpret_cast<PyObject*>(t));
  if (!result) throw py::error_already_set();
  Py_DECREF(result);
}

PyObject* make_size(const int64_t* v, int n) {
  PyObject* values = PyTuple_New(n);
  if (!values) return nullptr;
  for (int i = 0; i < n; i++) PyTuple_SET_ITEM(values, i, PyLong_FromLongLong(v[i]));
  if (!size_class) return values;
  PyObject* args = PyTuple_Pack(1, values);
  PyObject* size =
      args ? PyTuple_Type.tp_new(reinterpret_cast<PyTypeObject*>(size_class), args, nullptr)
           : nullptr;
  Py_XDECREF(args);
  Py_DECREF(values);
  return size;
}

void translate_exception() noexcept {
  try {
    throw;
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const Error& e) {
    PyObject* kinds[] = {PyExc_RuntimeError, PyExc_IndexError,          PyExc_TypeError,
                         PyExc_ValueError,   PyExc_NotImplementedError, OutOfMemoryError};
    PyErr_SetString(kinds[int(e.kind)], e.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "unknown C++ exception");
  }
}

void init_tensor_type(py::module_& m) {
  PyTypeObject& type = TensorBaseType;
  type.tp_name = "minitorch._C.TensorBase";
  type.tp_basicsize = sizeof(TensorObject);
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  type.tp_doc = "Storage, shape and autograd fields of a tensor; minitorch.Tensor adds the rest.";
  type.tp_new = tensor_new;
  type.tp_dealloc = tensor_dealloc;
  type.tp_traverse = tensor_traverse;
  type.tp_clear = tensor_clear;
  type.tp_getset = getset;
  type.tp_methods = methods;
  type.tp_dictoffset = offsetof(TensorObject, dict);
  type.tp_weaklistoffset = offsetof(TensorObject, weakrefs);
  if (PyType_Ready(&type) < 0) throw py::error_already_set();
  m.add_object("TensorBase", reinterpret_cast<PyObject*>(&type));
  OutOfMemoryError = PyErr_NewException("minitorch.OutOfMemoryError", PyExc_RuntimeError, nullptr);
  m.add_object("OutOfMemoryError", py::handle(OutOfMemoryError));

  m.def("register_classes", [](py::object tensor, py::object size, py::object refresher) {
    tensor_class = reinterpret_cast<PyTypeObject*>(tensor.release().ptr());
    size_class = size.release().ptr();
    view_refresher = refresher.release().ptr();
  });
  m.def("is_grad_enabled", [] { return grad_mode.enabled; });
  m.def("set_grad_enabled", [](bool on) {
    bool before = grad_mode.enabled;
    grad_mode.enabled = on;
    return before;
  });
  m.def("is_inference_mode_enabled", [] { return grad_mode.inference; });
  m.def("set_inference_mode", [](bool on) {
    bool before = grad_mode.inference;
    grad_mode.inference = on;
    return before;
  });
  // A tensor of class `cls` over the memory and with the shape of `data`, without history.
  m.def("make_subclass", [](py::handle cls, py::handle data, bool requires_grad) {
    if (!is_tensor(data.ptr())) throw py::type_error("_make_subclass(): data must be a Tensor");
    Tensor t = alias(as_object(data.ptr())->tensor);
    if (requires_grad && !is_floating(t.dtype()))
      fail(ErrorKind::Runtime, "Only Tensors of floating point dtype can require gradients, got ",
           t.dtype());
    t->requires_grad = requires_grad;
    return py::reinterpret_steal<py::object>(
        wrap(std::move(t), reinterpret_cast<PyTypeObject*>(cls.ptr())));
  });
  // `x.data = y`: x takes over y's memory, shape and dtype.
  m.def("set_data", [](py::handle x, py::handle y) {
    if (!is_tensor(x.ptr()) || !is_tensor(y.ptr()))
      throw py::type_error("set_data(): expected two Tensors");
    auto* object = as_object(x.ptr());
    bool requires_grad = object->tensor.requires_grad();
    Tensor t = alias(as_object(y.ptr())->tensor);
    if (requires_grad && !is_floating(t.dtype()))
      fail(ErrorKind::Runtime,
           "data set to a tensor that requires gradients must be floating point, got ", t.dtype());
    t->requires_grad = requires_grad;
    t->untracked = false;
    object->tensor = std::move(t);
  });
}

}  // namespace mt
