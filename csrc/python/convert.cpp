#include "python/convert.h"

namespace mt {

bool is_number(PyObject* o) {
  return PyFloat_Check(o) || PyLong_Check(o) || PyBool_Check(o) ||
         (!is_tensor(o) && !PySequence_Check(o) && PyNumber_Check(o));
}

Scalar scalar_from_python(PyObject* o) {
  if (PyFloat_CheckExact(o)) return Scalar::of(PyFloat_AS_DOUBLE(o));
  if (PyBool_Check(o)) return {Scalar::Bool, o == Py_True, double(o == Py_True)};
  if (PyLong_Check(o)) {
    int64_t v = PyLong_AsLongLong(o);
    if (v == -1 && PyErr_Occurred()) throw py::error_already_set();
    return Scalar::of(v);
  }
  if (PyFloat_Check(o)) return Scalar::of(PyFloat_AS_DOUBLE(o));
  if (is_tensor(o)) {
    const Tensor& t = as_object(o)->tensor;
    MT_CHECK_TYPE(t.numel() == 1, "must be a number, not a Tensor of shape ", t.sizes());
    py::object item = py::handle(o).attr("item")();
    return scalar_from_python(item.ptr());
  }
  // numpy's scalar types: bool_ first, since it also has __float__.
  if (std::string(Py_TYPE(o)->tp_name).find("bool") != std::string::npos) {
    bool v = FromPython<bool>::get(o);
    return {Scalar::Bool, v, double(v)};
  }
  if (PyIndex_Check(o) && !PySequence_Check(o)) {
    py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(o));
    if (!index) throw py::error_already_set();
    return scalar_from_python(index.ptr());
  }
  if (PyNumber_Check(o) && !PySequence_Check(o) && !PyComplex_Check(o)) {
    double v = PyFloat_AsDouble(o);
    if (v == -1 && PyErr_Occurred()) throw py::error_already_set();
    return Scalar::of(v);
  }
  fail(ErrorKind::Type, "must be a number, not ", Py_TYPE(o)->tp_name);
}

int64_t int_from_python(PyObject* o) {
  if (MT_LIKELY(PyLong_CheckExact(o))) {
    int64_t v = PyLong_AsLongLong(o);
    if (v == -1 && PyErr_Occurred()) throw py::error_already_set();
    return v;
  }
  MT_CHECK_TYPE(PyIndex_Check(o), "must be int, not ", Py_TYPE(o)->tp_name);
  py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(o));
  if (!index) throw py::error_already_set();
  return int_from_python(index.ptr());
}

// An int, a sequence of ints, or a tuple that holds just such a sequence (the *sizes of a method).
Dims dims_from_python(PyObject* o) {
  Dims dims;
  if (PyTuple_Check(o) && PyTuple_GET_SIZE(o) == 1) {
    PyObject* inner = PyTuple_GET_ITEM(o, 0);
    if (PyTuple_Check(inner) || PyList_Check(inner)) return dims_from_python(inner);
  }
  if (PyTuple_Check(o) || PyList_Check(o)) {
    Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    for (Py_ssize_t i = 0; i < n; i++) dims.push(int_from_python(PySequence_Fast_GET_ITEM(o, i)));
    return dims;
  }
  if (PyIndex_Check(o)) {
    dims.push(int_from_python(o));
    return dims;
  }
  MT_CHECK_TYPE(PySequence_Check(o) && !PyUnicode_Check(o), "must be a tuple of ints, not ",
                Py_TYPE(o)->tp_name);
  py::tuple items = py::reinterpret_steal<py::tuple>(PySequence_Tuple(o));
  if (!items) throw py::error_already_set();
  return dims_from_python(items.ptr());
}

}  // namespace mt
