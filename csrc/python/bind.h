// How an op becomes a function of minitorch._C. In csrc/ops/x.cpp, at the end:
//
//   MT_BIND(softmax) {
//     def_op<&softmax_forward>(m, "softmax_forward");
//     def_raw<&softmax_backward>(m, "softmax_backward");
//   }
//
// All functions take positional arguments only; names and defaults live in minitorch/ops.
//   def_op     results require grad where an argument does: Python must record a node
//   def_view   the same, and the result is a view of the first argument
//   def_raw    not differentiable: raises where autograd would have to record it
//   def_plain  no gradients involved (in-place kernels, queries)
// All tensors of a call must lie on one device; def_plain<&f, kAnyDevice> lifts that.
#pragma once
#include <array>
#include <tuple>
#include <type_traits>

#include "python/convert.h"
#include "python/devices.h"

namespace mt {

enum class BindMode { Op, View, Raw, Plain };

struct Binding {
  using Function = void (*)(py::module_&);
  Binding(Function f);
};
void run_bindings(py::module_& m);

#define MT_BIND(stem)                                                            \
  static void MT_CONCAT(bind_, stem)(::mt::py::module_ & m);                     \
  static const ::mt::Binding MT_CONCAT(binding_, stem){&MT_CONCAT(bind_, stem)}; \
  static void MT_CONCAT(bind_, stem)([[maybe_unused]] ::mt::py::module_ & m)

namespace detail {

template <class T>
struct AnyGrad {
  static bool get(const T&) { return false; }
};
template <>
struct AnyGrad<Tensor> {
  static bool get(const Tensor& t) { return t.requires_grad(); }
};
template <>
struct AnyGrad<Operand> {
  static bool get(const Operand& o) { return o.tensor && o.tensor->requires_grad(); }
};
template <>
struct AnyGrad<std::optional<Tensor>> {
  static bool get(const std::optional<Tensor>& t) { return t && t->requires_grad(); }
};
template <>
struct AnyGrad<std::vector<Tensor>> {
  static bool get(const std::vector<Tensor>& v) {
    for (const Tensor& t : v)
      if (t.requires_grad()) return true;
    return false;
  }
};

inline void mark(const Tensor& t) {
  if (t && is_floating(t.dtype())) t->requires_grad = true;
}
inline void mark(const std::vector<Tensor>& v) {
  for (const Tensor& t : v) mark(t);
}
template <class... T>
void mark(const std::tuple<T...>& v) {
  std::apply([](const T&... parts) { (mark(parts), ...); }, v);
}
template <class T>
void mark(const T&) {}

// Borrowed reference to the tensor that a view of `o` has as its base.
inline PyObject* view_base(PyObject* o) {
  PyObject* base = as_object(o)->base;
  return base ? base : o;
}
inline void set_base(PyObject* result, PyObject* source) {
  auto set = [&](PyObject* view) {
    if (!is_tensor(view) || as_object(view)->tensor->storage != as_object(source)->tensor->storage)
      return;
    as_object(view)->base = Py_NewRef(view_base(source));
    as_object(view)->view_version = as_object(view)->tensor->storage->version;
  };
  if (PyTuple_Check(result)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(result); i++) set(PyTuple_GET_ITEM(result, i));
  } else {
    set(result);
  }
}

template <class T>
decltype(auto) convert(PyObject* o, size_t index) {
  try {
    return FromPython<T>::get(o);
  } catch (const Error& e) {
    if (e.kind != ErrorKind::Type) throw;
    fail(e.kind, "argument ", index + 1, " ", e.what());
  }
}

void raise_not_differentiable(const char* name);
void raise_argument_count(const char* name, size_t want, Py_ssize_t got);
PyObject* raise_with_name(const char* name);

template <auto F, BindMode mode, Devices devices>
struct Entry;

template <class R, class... Args, R (*F)(Args...), BindMode mode, Devices devices>
struct Entry<F, mode, devices> {
  static inline const char* name = "";

  template <size_t... I>
  static PyObject* apply(PyObject* const* args, std::index_sequence<I...>) {
    // References for Tensor (no count traffic), values for everything else.
    std::tuple<decltype(convert<std::decay_t<Args>>(args[I], I))...> values{
        convert<std::decay_t<Args>>(args[I], I)...};
#if defined(MT_WITH_CUDA)
    if constexpr (devices == kSameDevice) gather_devices(name, std::get<I>(values)...);
#endif
    [[maybe_unused]] bool grad = false;
    if constexpr (mode != BindMode::Plain)
      grad = grad_mode.enabled &&
             (AnyGrad<std::decay_t<Args>>::get(std::get<I>(values)) || ... || false);
    if constexpr (mode == BindMode::Raw)
      if (MT_UNLIKELY(grad)) raise_not_differentiable(name);
    if constexpr (std::is_void_v<R>) {
      F(std::get<I>(values)...);
      return Py_NewRef(Py_None);
    } else {
      R result = F(std::get<I>(values)...);
      if constexpr (mode == BindMode::Op || mode == BindMode::View)
        if (grad) mark(result);
      PyObject* object = to_python(std::move(result));
      if constexpr (mode == BindMode::View)
        if (object) set_base(object, args[0]);
      return object;
    }
  }

  static PyObject* call(PyObject*, PyObject* const* args, Py_ssize_t count) noexcept {
    try {
      if (MT_UNLIKELY(count != Py_ssize_t(sizeof...(Args))))
        raise_argument_count(name, sizeof...(Args), count);
      return apply(args, std::index_sequence_for<Args...>{});
    } catch (...) {
      return raise_with_name(name);
    }
  }
};

template <auto F, BindMode mode, Devices devices>
void define(py::module_& m, const char* name) {
  using E = Entry<F, mode, devices>;
  static PyMethodDef def = {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&E::call)),
                            METH_FASTCALL, nullptr};
  E::name = name;
  py::object function = py::reinterpret_steal<py::object>(
      PyCFunction_NewEx(&def, nullptr, py::object(m.attr("__name__")).ptr()));
  m.attr(name) = function;
}

}  // namespace detail

template <auto F, Devices devices = kSameDevice>
void def_op(py::module_& m, const char* name) {
  detail::define<F, BindMode::Op, devices>(m, name);
}
template <auto F, Devices devices = kSameDevice>
void def_view(py::module_& m, const char* name) {
  detail::define<F, BindMode::View, devices>(m, name);
}
template <auto F, Devices devices = kSameDevice>
void def_raw(py::module_& m, const char* name) {
  detail::define<F, BindMode::Raw, devices>(m, name);
}
template <auto F, Devices devices = kSameDevice>
void def_plain(py::module_& m, const char* name) {
  detail::define<F, BindMode::Plain, devices>(m, name);
}

}  // namespace mt
