// Memory functions of the runtime: allocation, pools, copies.
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "cuda/emulator/device_memory.h"
#include "cuda/emulator/report.h"
#include "cuda/emulator/runtime.h"

using namespace mt::emu;

struct CUmemPoolHandle_st {
  uint64_t threshold = 0;
};

namespace {

CUmemPoolHandle_st default_pool;

bool host_reachable(const void* p, size_t bytes) {
  return !in_device_arena(p) && (p != nullptr || bytes == 0);
}
bool device_reachable(const void* p, size_t bytes) { return kind_of(p, bytes) == Kind::Device; }

cudaError_t blame(const char* function, const char* which, const void* p, size_t bytes,
                  const char* wanted) {
  const std::string where =
      in_device_arena(p) ? describe_address(p) : std::string("memory of the host");
  set_last_report(format("%s: %s %p (%zu bytes) must be %s, it is %s", function, which, p, bytes,
                         wanted, where.c_str()));
  return record(cudaErrorInvalidValue);
}

cudaError_t check_copy(const char* function, void* to, const void* from, size_t bytes,
                       cudaMemcpyKind kind) {
  bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind == cudaMemcpyDefault) {
    to_device = in_device_arena(to);
    from_device = in_device_arena(from);
  } else if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) {
    return record(cudaErrorInvalidMemcpyDirection);
  }
  // Memory that both sides can use may stand for either.
  auto wrong = [&](const void* p, bool device) {
    return device ? !device_reachable(p, bytes) && kind_of(p, bytes) != Kind::Pinned
                  : !host_reachable(p, bytes);
  };
  if (wrong(to, to_device))
    return blame(function, "the destination", to, bytes,
                 to_device ? "device memory of that size" : "memory of the host");
  if (wrong(from, from_device))
    return blame(function, "the source", from, bytes,
                 from_device ? "device memory of that size" : "memory of the host");
  return cudaSuccess;
}

cudaError_t copy_2d(const char* function, void* to, size_t to_pitch, const void* from,
                    size_t from_pitch, size_t width, size_t height, cudaMemcpyKind kind) {
  if (width == 0 || height == 0) return cudaSuccess;
  if (to_pitch < width || from_pitch < width) return record(cudaErrorInvalidValue);
  const size_t last = height - 1;
  if (cudaError_t error = check_copy(function, to, from, width, kind)) return error;
  if (cudaError_t error =
          check_copy(function, static_cast<char*>(to) + last * to_pitch,
                     static_cast<const char*>(from) + last * from_pitch, width, kind))
    return error;
  DeviceAccess access;
  for (size_t row = 0; row < height; ++row)
    std::memcpy(static_cast<char*>(to) + row * to_pitch,
                static_cast<const char*>(from) + row * from_pitch, width);
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaMalloc(void** p, size_t bytes) {
  if (capture_forbids()) return record(cudaErrorStreamCaptureUnsupported);
  return record(allocate(p, bytes, false));
}
cudaError_t cudaFree(void* p) {
  if (capture_forbids()) return record(cudaErrorStreamCaptureUnsupported);
  return record(release(p));
}

// Memory of a capture exists from the capture on, so that the recorded work may use its address.
cudaError_t cudaMallocAsync(void** p, size_t bytes, cudaStream_t handle) {
  CUstream_st* s;
  if (!find_stream(handle, &s)) return record(cudaErrorInvalidResourceHandle);
  return record(allocate(p, bytes, true));
}
cudaError_t cudaMallocFromPoolAsync(void** p, size_t bytes, cudaMemPool_t, cudaStream_t stream) {
  return cudaMallocAsync(p, bytes, stream);
}
cudaError_t cudaFreeAsync(void* p, cudaStream_t handle) {
  CUstream_st* s;
  if (!find_stream(handle, &s)) return record(cudaErrorInvalidResourceHandle);
  if (s && s->capture && p) {
    s->capture->memory.push_back(p);
    return cudaSuccess;
  }
  return record(release(p));
}

cudaError_t cudaMallocHost(void** p, size_t bytes) {
  *p = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (posix_memalign(p, 4096, (bytes + 4095) / 4096 * 4096))
    return record(cudaErrorMemoryAllocation);
  pin(*p, bytes);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** p, size_t bytes, unsigned) { return cudaMallocHost(p, bytes); }
cudaError_t cudaFreeHost(void* p) {
  if (!p) return cudaSuccess;
  if (!unpin(p)) return record(cudaErrorInvalidValue);
  std::free(p);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const MemoryUse use = memory_use();
  *total = use.limit;
  *free = use.limit - use.used;
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  if (cudaError_t error = check_copy("cudaMemcpy", to, from, bytes, kind)) return error;
  return run_on(stream, [=] {
    DeviceAccess access;
    std::memmove(to, from, bytes);
    return cudaSuccess;
  });
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr)) return error;
  return take_device_error();
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  return run_on(stream, [=] {
    return copy_2d("cudaMemcpy2D", to, to_pitch, from, from_pitch, width, height, kind);
  });
}
cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                         size_t width, size_t height, cudaMemcpyKind kind) {
  return cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, width, height, kind, nullptr);
}

cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  if (!device_reachable(p, bytes) && kind_of(p, bytes) != Kind::Pinned)
    return blame("cudaMemset", "the destination", p, bytes, "device memory of that size");
  return run_on(stream, [=] {
    DeviceAccess access;
    std::memset(p, value, bytes);
    return cudaSuccess;
  });
}
cudaError_t cudaMemset(void* p, int value, size_t bytes) {
  return cudaMemsetAsync(p, value, bytes, nullptr);
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* a, const void* p) {
  *a = {};
  auto* address = const_cast<void*>(p);
  switch (kind_of(p)) {
    case Kind::Device:
      *a = {cudaMemoryTypeDevice, 0, address, nullptr};
      break;
    case Kind::Pinned:
      *a = {cudaMemoryTypeHost, 0, address, address};
      break;
    default:
      *a = {cudaMemoryTypeUnregistered, -2, nullptr, address};
      break;
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  if (device != 0) return record(cudaErrorInvalidDevice);
  return *pool = &default_pool, cudaSuccess;
}
cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* pool, int device) {
  return cudaDeviceGetDefaultMemPool(pool, device);
}

// The pool keeps nothing that is not in use, so reserved equals used.
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  if (pool != &default_pool) return record(cudaErrorInvalidValue);
  const MemoryUse use = memory_use();
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold:
      *static_cast<uint64_t*>(value) = pool->threshold;
      break;
    case cudaMemPoolAttrReservedMemCurrent:
    case cudaMemPoolAttrUsedMemCurrent:
      *static_cast<uint64_t*>(value) = use.pool_used;
      break;
    case cudaMemPoolAttrReservedMemHigh:
    case cudaMemPoolAttrUsedMemHigh:
      *static_cast<uint64_t*>(value) = use.pool_high;
      break;
    default:
      *static_cast<int*>(value) = 1;
      break;
  }
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  if (pool != &default_pool) return record(cudaErrorInvalidValue);
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold:
      pool->threshold = *static_cast<uint64_t*>(value);
      break;
    case cudaMemPoolAttrReservedMemHigh:
    case cudaMemPoolAttrUsedMemHigh:
      if (*static_cast<uint64_t*>(value) != 0) return record(cudaErrorInvalidValue);
      reset_memory_high();
      break;
    case cudaMemPoolAttrReservedMemCurrent:
    case cudaMemPoolAttrUsedMemCurrent:
      return record(cudaErrorInvalidValue);
    default:
      break;
  }
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t) {
  return pool == &default_pool ? cudaSuccess : record(cudaErrorInvalidValue);
}
