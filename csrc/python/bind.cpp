#include "python/bind.h"

#if defined(MT_WITH_CUDA)
#include "cuda/core/device.h"
#endif

namespace mt {
namespace {

// Function-local so that bindings of other files may register before this file's statics exist.
std::vector<Binding::Function>& bindings() {
  static std::vector<Binding::Function> list;
  return list;
}

}  // namespace

Binding::Binding(Function f) { bindings().push_back(f); }

void run_bindings(py::module_& m) {
  for (Binding::Function f : bindings()) f(m);
}

namespace detail {

#if defined(MT_WITH_CUDA)
void raise_mixed_devices(const char* name, Device a, Device b) {
  fail(ErrorKind::Runtime, name,
       "(): Expected all tensors to be on the same device, but found at least two devices, ",
       to_string(a), " and ", to_string(b), "!");
}

void move_operand(Operand& operand, Device device) {
  operand.moved = empty({}, operand.tensor->dtype(), device);
  cuda::copy_bytes(operand.moved.data(), device, operand.tensor->data(), {},
                   operand.moved.nbytes());
  operand.tensor = &operand.moved;
}
#endif

void raise_not_differentiable(const char* name) {
  fail(ErrorKind::Runtime, name,
       " is not differentiable: a gradient through it was asked for (create_graph=True)");
}

void raise_argument_count(const char* name, size_t want, Py_ssize_t got) {
  fail(ErrorKind::Type, name, "() takes ", want, " arguments, got ", got);
}

PyObject* raise_with_name(const char* name) {
  try {
    throw;
  } catch (const Error& e) {
    // What says no more than what is wrong gets the name of the op before it.
    const std::string text = e.what();
    const bool type = e.kind == ErrorKind::Type;
    if ((type && text.rfind("argument ", 0) == 0) || text.rfind("cannot be captured", 0) == 0) {
      PyErr_SetString(type ? PyExc_TypeError : PyExc_RuntimeError,
                      concat(name, "(): ", text).c_str());
      return nullptr;
    }
  } catch (...) {
  }
  translate_exception();
  return nullptr;
}

}  // namespace detail
}  // namespace mt
