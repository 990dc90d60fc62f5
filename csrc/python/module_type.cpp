// Fast slots for nn.Module. In Python, reading `self.layer` first fails in the ordinary way and
// then runs Module.__getattr__, and every call runs Module.__call__: some 400 and 200 ns. The slots
// below do the same in C. They are put into a class only where it inherits Module's own
// __getattr__, __getattribute__ and __call__, and CPython takes them out by itself when one of
// those is assigned later.
#include "python/bind.h"

namespace mt {
namespace {

PyObject* name_parameters;
PyObject* name_buffers;
PyObject* name_modules;
PyObject* name_hooked;
PyObject* name_forward;
PyObject* name_call;
PyObject* name_getattr;
PyObject* name_getattribute;
// Module.__call__, Module.__getattr__ and the table of global hooks, for the life of the process.
PyObject* slow_call;
PyObject* slow_getattr;
PyObject* global_hooks;

// A borrowed reference to the instance's dictionary, or null.
PyObject* instance_dict(PyObject* self) {
  PyObject* dict = PyObject_GenericGetDict(self, nullptr);
  if (!dict) {
    PyErr_Clear();
    return nullptr;
  }
  Py_DECREF(dict);  // the instance holds it
  return dict;
}

PyObject* find(PyObject* state, PyObject* table_name, PyObject* name) {
  PyObject* table = PyDict_GetItemWithError(state, table_name);
  return table && PyDict_Check(table) ? PyDict_GetItemWithError(table, name) : nullptr;
}

PyObject* get_attribute(PyObject* self, PyObject* name) {
  PyObject* state = instance_dict(self);
  PyObject* found = nullptr;
  if (_PyType_Lookup(Py_TYPE(self), name) || !state) {
    found = PyObject_GenericGetAttr(self, name);
    if (found || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
    PyErr_Clear();  // a property that raised: like Python, go on as if it weren't there
  } else if ((found = PyDict_GetItemWithError(state, name))) {
    return Py_NewRef(found);
  }
  if (state && !PyErr_Occurred()) {
    found = find(state, name_parameters, name);
    if (!found) found = find(state, name_modules, name);
    if (!found) found = find(state, name_buffers, name);
    if (found) return Py_NewRef(found);
  }
  if (PyErr_Occurred()) return nullptr;
  PyObject* args[] = {self, name};
  return PyObject_Vectorcall(slow_getattr, args, 2, nullptr);  // raises
}

constexpr Py_ssize_t kMaxFastArgs = 8;

PyObject* call(PyObject* self, PyObject* args, PyObject* kwargs) {
  PyObject* state = instance_dict(self);
  Py_ssize_t count = PyTuple_GET_SIZE(args);
  PyObject* hooked = state ? PyDict_GetItemWithError(state, name_hooked) : Py_True;
  PyObject* function = nullptr;
  // Plain: no hooks, and `forward` is a function of the class, not set on the instance.
  if (!hooked && PyDict_GET_SIZE(global_hooks) == 0 && count < kMaxFastArgs &&
      !PyDict_GetItemWithError(state, name_forward))
    function = _PyType_Lookup(Py_TYPE(self), name_forward);
  if (PyErr_Occurred()) return nullptr;
  bool plain = function && PyFunction_Check(function);
  PyObject* stack[kMaxFastArgs + 1];
  if (plain) {
    stack[0] = self;
    for (Py_ssize_t i = 0; i < count; i++) stack[i + 1] = PyTuple_GET_ITEM(args, i);
    Py_INCREF(function);
    PyObject* result = PyObject_VectorcallDict(function, stack, size_t(count) + 1, kwargs);
    Py_DECREF(function);
    return result;
  }
  PyObject* all = PyTuple_New(count + 1);
  if (!all) return nullptr;
  PyTuple_SET_ITEM(all, 0, Py_NewRef(self));
  for (Py_ssize_t i = 0; i < count; i++)
    PyTuple_SET_ITEM(all, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
  PyObject* result = PyObject_Call(slow_call, all, kwargs);
  Py_DECREF(all);
  return result;
}

// Remembers Module's own methods; called once, with the class Module itself.
void register_module(py::handle cls, py::handle hooks) {
  slow_call = Py_NewRef(_PyType_Lookup(reinterpret_cast<PyTypeObject*>(cls.ptr()), name_call));
  slow_getattr =
      Py_NewRef(_PyType_Lookup(reinterpret_cast<PyTypeObject*>(cls.ptr()), name_getattr));
  global_hooks = Py_NewRef(hooks.ptr());
}

void use_fast_slots(py::handle cls) {
  MT_CHECK_TYPE(PyType_Check(cls.ptr()), "must be a class");
  auto* type = reinterpret_cast<PyTypeObject*>(cls.ptr());
  if (!slow_call || !(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) return;
  PyObject* plain = _PyType_Lookup(&PyBaseObject_Type, name_getattribute);
  if (_PyType_Lookup(type, name_getattr) == slow_getattr &&
      _PyType_Lookup(type, name_getattribute) == plain)
    type->tp_getattro = get_attribute;
  if (_PyType_Lookup(type, name_call) == slow_call) type->tp_call = call;
}

}  // namespace

MT_BIND(module_type) {
  name_parameters = PyUnicode_InternFromString("_parameters");
  name_buffers = PyUnicode_InternFromString("_buffers");
  name_modules = PyUnicode_InternFromString("_modules");
  name_hooked = PyUnicode_InternFromString("_hooked");
  name_forward = PyUnicode_InternFromString("forward");
  name_call = PyUnicode_InternFromString("__call__");
  name_getattr = PyUnicode_InternFromString("__getattr__");
  name_getattribute = PyUnicode_InternFromString("__getattribute__");
  def_plain<&register_module>(m, "register_module");
  def_plain<&use_fast_slots>(m, "use_fast_slots");
}

}  // namespace mt
