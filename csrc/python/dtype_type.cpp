// minitorch.dtype: ten singletons, compared by identity.
#include <vector>

#include "python/tensor_type.h"
#if defined(MT_WITH_CUDA)
#include "cuda/core/device.h"
#endif

namespace mt {
namespace {

struct DTypeObject {
  PyObject_HEAD DType value;
};

PyObject* singletons[kNumDTypes];
PyObject* cpu_device = nullptr;
PyObject* device_class = nullptr;
std::vector<PyObject*> cuda_devices;  // made when first asked for
Device default_device;                // what None stands for where a tensor is made

DType value_of(PyObject* o) { return reinterpret_cast<DTypeObject*>(o)->value; }

PyObject* dtype_repr(PyObject* self) {
  return PyUnicode_FromFormat("minitorch.%s", dtype_name(value_of(self)));
}
PyObject* dtype_reduce(PyObject* self, PyObject*) {
  return PyUnicode_FromString(dtype_name(value_of(self)));
}
PyObject* get_itemsize(PyObject* self, void*) {
  return PyLong_FromSize_t(itemsize(value_of(self)));
}
PyObject* get_floating(PyObject* self, void*) {
  return PyBool_FromLong(is_floating(value_of(self)));
}
PyObject* get_complex(PyObject*, void*) { Py_RETURN_FALSE; }
PyObject* get_signed(PyObject* self, void*) {
  DType t = value_of(self);
  return PyBool_FromLong(t != DType::Bool && t != DType::UInt8);
}
PyObject* get_module(PyObject*, void*) { return PyUnicode_FromString("minitorch"); }
PyObject* to_itself(PyObject* self, PyObject*) { return Py_NewRef(self); }

PyGetSetDef getset[] = {{"itemsize", get_itemsize, nullptr, "Bytes of one element.", nullptr},
                        {"is_floating_point", get_floating, nullptr, nullptr, nullptr},
                        {"is_complex", get_complex, nullptr, nullptr, nullptr},
                        {"is_signed", get_signed, nullptr, nullptr, nullptr},
                        {"__module__", get_module, nullptr, nullptr, nullptr},
                        {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMethodDef methods[] = {{"__reduce__", dtype_reduce, METH_NOARGS, nullptr},
                         {"to_real", to_itself, METH_NOARGS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};

PyTypeObject DTypeType = {PyVarObject_HEAD_INIT(nullptr, 0)};

}  // namespace

PyObject* dtype_object(DType t) { return singletons[int(t)]; }

bool parse_dtype(PyObject* o, DType* out) {
  if (Py_TYPE(o) == &DTypeType) {
    *out = value_of(o);
    return true;
  }
  if (o == reinterpret_cast<PyObject*>(&PyFloat_Type)) return *out = DType::Float32, true;
  if (o == reinterpret_cast<PyObject*>(&PyLong_Type)) return *out = DType::Int64, true;
  if (o == reinterpret_cast<PyObject*>(&PyBool_Type)) return *out = DType::Bool, true;
  return false;
}

PyObject* device_object(Device d) {
  if (MT_LIKELY(d.is_cpu())) return cpu_device;
  const size_t index = size_t(d.index);
  if (index >= cuda_devices.size()) cuda_devices.resize(index + 1);
  if (!cuda_devices[index])
    cuda_devices[index] = py::handle(device_class)("cuda", int(index)).release().ptr();
  return cuda_devices[index];
}

namespace {

Device cuda_device([[maybe_unused]] int64_t index) {
#if defined(MT_WITH_CUDA)
  return {DeviceType::CUDA, int8_t(cuda::check_device(index > 127 ? 127 : int(index)))};
#else
  fail(ErrorKind::Runtime,
       "device 'cuda' is not available: this build of minitorch has no CUDA support");
#endif
}

}  // namespace

// Accepts minitorch.device, strings and the number of a GPU.
Device parse_device(PyObject* o) {
  if (o == Py_None) return default_device;
  if (o == cpu_device) return {};
  py::object device = py::reinterpret_borrow<py::object>(o);
  if (PyLong_Check(o)) return cuda_device(PyLong_AsLongLong(o));
  if (PyUnicode_Check(o)) device = py::handle(device_class)(device);
  py::object type = py::getattr(device, "type", py::none());
  MT_CHECK_TYPE(py::isinstance<py::str>(type), "device: expected a minitorch.device or a str, got ",
                Py_TYPE(o)->tp_name);
  std::string name = py::cast<std::string>(type);
  if (name == "cpu") return {};
  MT_CHECK(name == "cuda", "device '", name, "' holds no memory: expected cpu or cuda");
  py::object index = device.attr("index");
  return cuda_device(index.is_none() ? -1 : py::cast<int64_t>(index));
}

void init_dtype_type(py::module_& m) {
  PyTypeObject& type = DTypeType;
  type.tp_name = "minitorch.dtype";
  type.tp_basicsize = sizeof(DTypeObject);
  type.tp_flags = Py_TPFLAGS_DEFAULT;
  type.tp_repr = dtype_repr;
  type.tp_getset = getset;
  type.tp_methods = methods;
  if (PyType_Ready(&type) < 0) throw py::error_already_set();
  m.add_object("dtype", reinterpret_cast<PyObject*>(&type));
  for (int i = 0; i < kNumDTypes; i++) {
    PyObject* o = type.tp_alloc(&type, 0);
    reinterpret_cast<DTypeObject*>(o)->value = DType(i);
    singletons[i] = o;
    m.add_object(dtype_name(DType(i)), py::handle(o));
  }
  m.def("register_devices", [](py::object cls, py::object cpu) {
    device_class = cls.release().ptr();
    cpu_device = cpu.release().ptr();
  });
  m.def("get_default_device",
        [] { return py::reinterpret_borrow<py::object>(device_object(default_device)); });
  m.def("set_default_device", [](py::object device) {
    default_device = device.is_none() ? Device{} : parse_device(device.ptr());
  });
}

}  // namespace mt
