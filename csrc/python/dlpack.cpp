// DLPack: memory shared with other libraries without a copy, on the CPU and on a GPU. The
// structures are those of the specification (dlpack.h, version 0.8 of the unversioned form, which
// every consumer reads).
#include <cstring>

#include "python/bind.h"

namespace mt {
namespace {

struct DLDevice {
  int32_t type, id;
};
constexpr int32_t kDLCPU = 1, kDLCUDA = 2, kDLCUDAHost = 3;
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
constexpr uint8_t kDLInt = 0, kDLUInt = 1, kDLFloat = 2, kDLBfloat = 4, kDLBool = 6;
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape, *strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};

constexpr const char* kName = "dltensor";
constexpr const char* kUsed = "used_dltensor";  // the consumer's mark: it calls the deleter

DLDataType code_of(DType t) {
  const auto bits = uint8_t(8 * itemsize(t));
  const uint8_t code = t == DType::Bool       ? kDLBool
                       : t == DType::UInt8    ? kDLUInt
                       : t == DType::BFloat16 ? kDLBfloat
                       : is_floating(t)       ? kDLFloat
                                              : kDLInt;
  return {code, bits, 1};
}

DType dtype_of(DLDataType t) {
  if (t.lanes == 1)
    for (int i = 0; i < kNumDTypes; i++) {
      const DLDataType ours = code_of(DType(i));
      if (ours.code == t.code && ours.bits == t.bits) return DType(i);
    }
  fail(ErrorKind::Type, "from_dlpack(): no dtype for DLPack type code ", int(t.code), " of ",
       int(t.bits), " bits and ", int(t.lanes), " lanes");
}

// What is handed over: keeps the tensor alive until the consumer is done.
struct Exported {
  DLManagedTensor managed;
  Tensor tensor;
  int64_t shape[kMaxDims], strides[kMaxDims];
};

void drop_capsule(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, kName)) return;  // consumed
  auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule, kName));
  managed->deleter(managed);
}

py::object to_dlpack(const Tensor& x) {
  auto* out = new Exported;
  out->tensor = x;
  for (int i = 0; i < x.dim(); i++) {
    out->shape[i] = x.size(i);
    out->strides[i] = x.stride(i);
  }
  const Device device = x.device();
  DLDevice where = {kDLCPU, 0};
  if (!device.is_cpu()) where = {kDLCUDA, device.index};
  out->managed.tensor = {x.data(), where, x.dim(), code_of(x.dtype()), out->shape, out->strides, 0};
  out->managed.context = out;
  out->managed.deleter = [](DLManagedTensor* managed) {
    delete static_cast<Exported*>(managed->context);
  };
  return py::reinterpret_steal<py::object>(PyCapsule_New(&out->managed, kName, &drop_capsule));
}

Tensor from_dlpack(py::handle capsule) {
  MT_CHECK_TYPE(PyCapsule_IsValid(capsule.ptr(), kName),
                "from_dlpack(): expected a DLPack capsule that has not been used yet");
  auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), kName));
  const DLTensor& t = managed->tensor;
  MT_CHECK(t.ndim <= kMaxDims, "from_dlpack(): ", t.ndim, " dimensions, at most ", kMaxDims);
  Device device;
  if (t.device.type == kDLCUDA) {
#if defined(MT_WITH_CUDA)
    device = {DeviceType::CUDA, int8_t(t.device.id)};
#else
    fail(ErrorKind::Runtime,
         "from_dlpack(): a tensor on a GPU, and this build has no CUDA support");
#endif
  } else {
    MT_CHECK(t.device.type == kDLCPU || t.device.type == kDLCUDAHost,
             "from_dlpack(): unknown device type ", t.device.type);
  }
  const DType dtype = dtype_of(t.dtype);
  const Dims sizes(t.shape, t.ndim);
  const Dims strides = t.strides ? Dims(t.strides, t.ndim) : contiguous_strides(sizes);
  for (int64_t s : strides)
    MT_CHECK(s >= 0, "from_dlpack(): negative strides are not supported: ", strides);
  auto release = [](Storage* storage) {
    auto* held = static_cast<DLManagedTensor*>(storage->owner);
    if (held->deleter) held->deleter(held);
  };
  Tensor y = from_blob(static_cast<char*>(t.data) + t.byte_offset, sizes, strides, dtype, device,
                       release, managed);
  PyCapsule_SetName(capsule.ptr(), kUsed);
  return y;
}

}  // namespace

MT_BIND(dlpack) {
  def_plain<&to_dlpack>(m, "to_dlpack");
  def_plain<&from_dlpack>(m, "from_dlpack");
}

}  // namespace mt
