// Arguments and results of ops between Python and C++. from_python<T> throws TypeError texts
// without the op's name; the entry in csrc/python/bind.h puts it in front.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "python/tensor_type.h"

namespace mt {

// A Python number.
struct Scalar {
  enum Kind : uint8_t { Bool, Int, Float } kind = Int;
  int64_t i = 0;
  double d = 0;

  static Scalar of(double v) { return {Float, int64_t(v), v}; }
  static Scalar of(int64_t v) { return {Int, v, double(v)}; }
  double to_double() const { return d; }
  int64_t to_int() const { return i; }
};

// A tensor or a number, as binary ops take.
struct Operand {
  const Tensor* tensor = nullptr;
  Scalar scalar;
#if defined(MT_WITH_CUDA)
  Tensor moved;  // what `tensor` points to where a 0-dim CPU tensor went to the GPU
#endif
  bool is_tensor() const { return tensor != nullptr; }
};

Scalar scalar_from_python(PyObject* o);
bool is_number(PyObject* o);
Dims dims_from_python(PyObject* o);
int64_t int_from_python(PyObject* o);

template <class T>
struct FromPython;

template <>
struct FromPython<Tensor> {
  static const Tensor& get(PyObject* o) {
    MT_CHECK_TYPE(mt::is_tensor(o), "must be Tensor, not ", Py_TYPE(o)->tp_name);
    auto* t = as_object(o);
    if (MT_UNLIKELY(is_stale_view(t))) refresh_view(t);
    return t->tensor;
  }
};
template <>
struct FromPython<Scalar> {
  static Scalar get(PyObject* o) { return scalar_from_python(o); }
};
template <>
struct FromPython<Operand> {
  static Operand get(PyObject* o) {
    if (mt::is_tensor(o)) return {&FromPython<Tensor>::get(o)};
    return {nullptr, scalar_from_python(o)};
  }
};
template <>
struct FromPython<Dims> {
  static Dims get(PyObject* o) { return dims_from_python(o); }
};
template <>
struct FromPython<DType> {
  static DType get(PyObject* o) {
    DType t;
    MT_CHECK_TYPE(parse_dtype(o, &t), "must be minitorch.dtype, not ", Py_TYPE(o)->tp_name);
    return t;
  }
};
template <>
struct FromPython<Device> {
  static Device get(PyObject* o) { return parse_device(o); }
};
template <>
struct FromPython<bool> {
  static bool get(PyObject* o) {
    int v = PyObject_IsTrue(o);
    if (v < 0) throw py::error_already_set();
    return v;
  }
};
template <>
struct FromPython<int64_t> {
  static int64_t get(PyObject* o) { return int_from_python(o); }
};
template <>
struct FromPython<int> {
  static int get(PyObject* o) { return int(int_from_python(o)); }
};
template <>
struct FromPython<double> {
  static double get(PyObject* o) { return scalar_from_python(o).to_double(); }
};
template <>
struct FromPython<std::string> {
  static std::string get(PyObject* o) {
    MT_CHECK_TYPE(PyUnicode_Check(o), "must be str, not ", Py_TYPE(o)->tp_name);
    return PyUnicode_AsUTF8(o);
  }
};
template <>
struct FromPython<py::handle> {
  static py::handle get(PyObject* o) { return o; }
};
template <class T>
struct FromPython<std::optional<T>> {
  static std::optional<T> get(PyObject* o) {
    if (o == Py_None) return std::nullopt;
    return FromPython<T>::get(o);
  }
};
template <class T>
struct FromPython<std::vector<T>> {
  static std::vector<T> get(PyObject* o) {
    MT_CHECK_TYPE(PyTuple_Check(o) || PyList_Check(o), "must be a tuple or a list, not ",
                  Py_TYPE(o)->tp_name);
    std::vector<T> v;
    Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    v.reserve(size_t(n));
    for (Py_ssize_t i = 0; i < n; i++)
      v.push_back(FromPython<T>::get(PySequence_Fast_GET_ITEM(o, i)));
    return v;
  }
};

inline PyObject* to_python(Tensor t) {
  if (!t) return Py_NewRef(Py_None);
  return wrap(std::move(t));
}
inline PyObject* to_python(bool v) { return PyBool_FromLong(v); }
inline PyObject* to_python(int v) { return PyLong_FromLong(v); }
inline PyObject* to_python(int64_t v) { return PyLong_FromLongLong(v); }
inline PyObject* to_python(double v) { return PyFloat_FromDouble(v); }
inline PyObject* to_python(DType v) { return Py_NewRef(dtype_object(v)); }
inline PyObject* to_python(const std::string& v) { return PyUnicode_FromString(v.c_str()); }
inline PyObject* to_python(const Dims& v) { return make_size(v.v, v.n); }
inline PyObject* to_python(py::object v) { return v.release().ptr(); }
template <class T>
PyObject* to_python(const std::optional<T>& v) {
  return v ? to_python(*v) : Py_NewRef(Py_None);
}
template <class T>
PyObject* to_python(const std::vector<T>& v) {
  PyObject* tuple = PyTuple_New(Py_ssize_t(v.size()));
  for (size_t i = 0; i < v.size(); i++) PyTuple_SET_ITEM(tuple, Py_ssize_t(i), to_python(v[i]));
  return tuple;
}
template <class... T>
PyObject* to_python(const std::tuple<T...>& v) {
  return std::apply(
      [](const T&... parts) {
        PyObject* tuple = PyTuple_New(sizeof...(T));
        Py_ssize_t i = 0;
        (PyTuple_SET_ITEM(tuple, i++, to_python(parts)), ...);
        return tuple;
      },
      v);
}

// A tensor over memory that belongs to a Python object, which it keeps alive.
Tensor from_object(void* data, const Dims& sizes, const Dims& strides, DType dtype,
                   py::handle owner);

}  // namespace mt
