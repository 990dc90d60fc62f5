#include "core/tensor.h"

#include <cstdio>
#include <cstring>

#include "core/allocator.h"
#if defined(MT_WITH_CUDA)
#include "cuda/core/device.h"
#endif

namespace mt {

std::string to_string(Device device) {
  return device.is_cpu() ? "cpu" : concat("cuda:", int(device.index));
}

void append(std::string& text, double part) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%g", part);
  text += digits;
}

void append(std::string& text, const Dims& dims) {
  text += '[';
  for (int i = 0; i < dims.n; i++) {
    if (i) text += ", ";
    text += std::to_string(dims[i]);
  }
  text += ']';
}

// `owner` of memory on a GPU is the stream that it was allocated on.
Storage* Storage::allocate(size_t nbytes, Device device) {
  void *data, *stream = nullptr;
  if (MT_LIKELY(device.is_cpu())) {
    data = cpu_allocate(nbytes);
  } else {
#if defined(MT_WITH_CUDA)
    data = cuda::allocate(nbytes, device.index, &stream);
#else
    fail(ErrorKind::Runtime, "this build of minitorch has no CUDA support");
#endif
  }
  auto* storage = new Storage;
  storage->device = device;
  storage->data = data;
  storage->nbytes = nbytes;
  storage->owner = stream;
  return storage;
}

namespace {

void release_memory(Storage* s) {
  if (MT_LIKELY(s->device.is_cpu())) cpu_free(s->data, s->nbytes);
#if defined(MT_WITH_CUDA)
  else cuda::release(s->data, s->nbytes, s->device.index, s->owner);
#endif
}

}  // namespace

void Storage::resize(size_t new_nbytes) {
  MT_CHECK(!deleter, "resize_(): cannot resize a tensor over memory that is not owned");
  Storage* fresh = allocate(new_nbytes, device);
  size_t kept = nbytes < new_nbytes ? nbytes : new_nbytes;
  if (kept && device.is_cpu()) std::memcpy(fresh->data, data, kept);
#if defined(MT_WITH_CUDA)
  if (kept && !device.is_cpu()) cuda::copy_bytes(fresh->data, device, data, device, kept);
#endif
  release_memory(this);
  data = fresh->data;
  nbytes = new_nbytes;
  owner = fresh->owner;
  delete fresh;
}

void Storage::release() {
  if (refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (deleter) {
    deleter(this);
  } else {
    release_memory(this);
  }
  delete this;
}

void Tensor::destroy(TensorImpl* impl) {
  impl->storage->release();
  delete impl;
}

namespace {

// Overflow-checked number of elements: a product past 2^63 is an error, not a small tensor.
int64_t checked_numel(const Dims& sizes) {
  int64_t numel = 1;
  for (int64_t s : sizes) {
    MT_CHECK(s >= 0, "cannot create a tensor with negative dimension ", s, ": ", sizes);
    MT_CHECK(!__builtin_mul_overflow(numel, s, &numel), "a tensor of shape ", sizes,
             " has more elements than memory can address");
  }
  return numel;
}

TensorImpl* make_impl(Storage* storage, const Dims& sizes, const Dims& strides, DType dtype,
                      int64_t offset) {
  auto* impl = new TensorImpl;
  storage->refs.fetch_add(1, std::memory_order_relaxed);
  impl->storage = storage;
  impl->dtype = dtype;
  impl->ndim = uint8_t(sizes.n);
  impl->offset = offset;
  impl->data = static_cast<char*>(storage->data) + offset * int64_t(itemsize(dtype));
  int64_t numel = 1;
  for (int i = 0; i < sizes.n; i++) {
    impl->sizes[i] = sizes[i];
    impl->strides[i] = strides[i];
    numel *= sizes[i];
  }
  impl->numel = numel;
  impl->contiguous = is_contiguous(sizes, strides);
  return impl;
}

}  // namespace

Dims contiguous_strides(const Dims& sizes) {
  Dims strides;
  strides.n = sizes.n;
  int64_t step = 1;
  for (int i = sizes.n - 1; i >= 0; i--) {
    strides[i] = step;
    step *= sizes[i] > 0 ? sizes[i] : 1;
  }
  return strides;
}

bool is_contiguous(const Dims& sizes, const Dims& strides) {
  int64_t step = 1;
  bool dense = true;
  for (int i = sizes.n - 1; i >= 0; i--) {
    if (sizes[i] == 0) return true;
    if (sizes[i] == 1) continue;
    if (strides[i] != step) dense = false;
    step *= sizes[i];
  }
  return dense;
}

Tensor empty(const Dims& sizes, DType dtype, Device device) {
  int64_t bytes;
  MT_CHECK(!__builtin_mul_overflow(checked_numel(sizes), int64_t(itemsize(dtype)), &bytes),
           "a tensor of shape ", sizes, " and dtype ", dtype, " is larger than memory can address");
  Storage* storage = Storage::allocate(size_t(bytes), device);
  return Tensor(make_impl(storage, sizes, contiguous_strides(sizes), dtype, 0));
}

Tensor empty_like(const Tensor& x, DType dtype) { return empty(x.sizes(), dtype, x.device()); }

Tensor empty_strided(const Dims& sizes, const Dims& strides, DType dtype, Device device) {
  int64_t last = checked_numel(sizes) > 0 ? 1 : 0;
  for (int i = 0; last && i < sizes.n; i++) {
    MT_CHECK(strides[i] >= 0, "empty_strided(): negative strides are not supported: ", strides);
    int64_t reach;
    MT_CHECK(!__builtin_mul_overflow(sizes[i] - 1, strides[i], &reach) &&
                 !__builtin_add_overflow(last, reach, &last),
             "empty_strided(): sizes ", sizes, " and strides ", strides, " overflow");
  }
  int64_t bytes;
  MT_CHECK(!__builtin_mul_overflow(last, int64_t(itemsize(dtype)), &bytes),
           "empty_strided(): sizes ", sizes, " and strides ", strides, " overflow");
  Storage* storage = Storage::allocate(size_t(bytes), device);
  return Tensor(make_impl(storage, sizes, strides, dtype, 0));
}

Tensor as_strided(const Tensor& x, const Dims& sizes, const Dims& strides, int64_t offset) {
  MT_CHECK(sizes.n == strides.n, "as_strided(): sizes ", sizes, " and strides ", strides,
           " differ in length");
  MT_CHECK(offset >= 0, "as_strided(): negative storage_offset ", offset);
  int64_t last = offset;
  bool empty = false;
  for (int i = 0; i < sizes.n; i++) {
    MT_CHECK(sizes[i] >= 0, "as_strided(): negative size in ", sizes);
    MT_CHECK(strides[i] >= 0, "as_strided(): negative strides are not supported: ", strides);
    empty = empty || sizes[i] == 0;
    int64_t reach;
    MT_CHECK(sizes[i] == 0 || (!__builtin_mul_overflow(sizes[i] - 1, strides[i], &reach) &&
                               !__builtin_add_overflow(last, reach, &last)),
             "as_strided(): sizes ", sizes, " and strides ", strides, " overflow");
  }
  MT_CHECK(empty || uint64_t(last) < x->storage->nbytes / itemsize(x.dtype()),
           "as_strided(): sizes ", sizes, ", strides ", strides, " and storage_offset ", offset,
           " reach outside of a storage of ", x->storage->nbytes, " bytes");
  TensorImpl* impl = make_impl(x->storage, sizes, strides, x.dtype(), offset);
  impl->untracked = x->untracked;
  impl->inference = x->inference;
  return Tensor(impl);
}

Tensor alias(const Tensor& x) {
  TensorImpl* impl = make_impl(x->storage, x.sizes(), x.strides(), x.dtype(), x->offset);
  impl->untracked = x->untracked;
  impl->inference = x->inference;
  return Tensor(impl);
}

Tensor from_blob(void* data, const Dims& sizes, const Dims& strides, DType dtype, Device device,
                 void (*deleter)(Storage*), void* owner) {
  auto* storage = new Storage;
  storage->device = device;
  storage->data = data;
  int64_t last = checked_numel(sizes) > 0 ? 1 : 0;
  for (int i = 0; last && i < sizes.n; i++) last += (sizes[i] - 1) * strides[i];
  storage->nbytes = size_t(last) * itemsize(dtype);
  storage->deleter = deleter;
  storage->owner = owner;
  return Tensor(make_impl(storage, sizes, strides, dtype, 0));
}

int wrap_dim(int64_t dim, int ndim, const char* op) {
  int n = ndim ? ndim : 1;
  MT_CHECK_INDEX(dim >= -n && dim < n, op,
                 "(): Dimension out of range (expected to be in range of [", -n, ", ", n - 1,
                 "], but got ", dim, ")");
  return int(dim < 0 ? dim + n : dim);
}

Dims broadcast_shapes(const Dims& a, const Dims& b, const char* op) {
  const Dims& longer = a.n >= b.n ? a : b;
  const Dims& shorter = a.n >= b.n ? b : a;
  Dims out = longer;
  int shift = longer.n - shorter.n;
  for (int i = 0; i < shorter.n; i++) {
    int64_t x = longer[i + shift], y = shorter[i];
    MT_CHECK(x == y || x == 1 || y == 1, op, "(): The size of tensor a (", a.n >= b.n ? x : y,
             ") must match the size of tensor b (", a.n >= b.n ? y : x,
             ") at non-singleton dimension ", i + shift, ": shapes ", a, " and ", b,
             " do not broadcast");
    out[i + shift] = x == 1 ? y : x;
  }
  return out;
}

Tensor expand_to(const Tensor& x, const Dims& sizes, const char* op) {
  int shift = sizes.n - x.dim();
  MT_CHECK(shift >= 0, op, "(): a tensor of shape ", x.sizes(), " cannot be expanded to ", sizes);
  Dims strides;
  strides.n = sizes.n;
  for (int i = 0; i < sizes.n; i++) {
    int64_t have = i < shift ? 1 : x.size(i - shift);
    MT_CHECK(have == sizes[i] || have == 1, op, "(): The expanded size of the tensor (", sizes[i],
             ") must match the existing size (", have, ") at non-singleton dimension ", i,
             ". Target sizes: ", sizes, ". Tensor sizes: ", x.sizes());
    strides[i] = i < shift || (have == 1 && sizes[i] != 1) ? 0 : x.stride(i - shift);
  }
  return as_strided(x, sizes, strides, x->offset);
}

}  // namespace mt
