// Storage and strided tensors. No maths here.
#pragma once
#include <atomic>
#include <utility>

#include "core/check.h"
#include "core/dtype.h"

namespace mt {

constexpr int kMaxDims = 16;

enum class DeviceType : uint8_t { CPU, CUDA };
struct Device {
  DeviceType type = DeviceType::CPU;
  int8_t index = 0;
  bool operator==(const Device& o) const { return type == o.type && index == o.index; }
  bool is_cpu() const { return type == DeviceType::CPU; }
};
std::string to_string(Device device);

// A small array of sizes, strides or dims.
struct Dims {
  int n = 0;
  int64_t v[kMaxDims];

  Dims() = default;
  Dims(std::initializer_list<int64_t> list) {
    for (int64_t x : list) push(x);
  }
  Dims(const int64_t* p, int count) {
    for (int i = 0; i < count; i++) push(p[i]);
  }
  void push(int64_t x) {
    MT_CHECK(n < kMaxDims, "a tensor has at most ", kMaxDims, " dimensions");
    v[n++] = x;
  }
  void insert(int at, int64_t x) {
    push(0);
    for (int i = n - 1; i > at; i--) v[i] = v[i - 1];
    v[at] = x;
  }
  void erase(int at) {
    for (int i = at; i + 1 < n; i++) v[i] = v[i + 1];
    n--;
  }
  int size() const { return n; }
  int64_t operator[](int i) const { return v[i]; }
  int64_t& operator[](int i) { return v[i]; }
  const int64_t* begin() const { return v; }
  const int64_t* end() const { return v + n; }
  int64_t product() const {
    int64_t p = 1;
    for (int i = 0; i < n; i++) p *= v[i];
    return p;
  }
  bool operator==(const Dims& o) const {
    if (n != o.n) return false;
    for (int i = 0; i < n; i++)
      if (v[i] != o.v[i]) return false;
    return true;
  }
  bool operator!=(const Dims& o) const { return !(*this == o); }
};
void append(std::string& text, const Dims& dims);  // [2, 3]
inline void append(std::string& text, DType t) { text += dtype_name(t); }

// One block of memory, shared by all views of it. `version` counts the in-place changes.
struct Storage {
  std::atomic<int> refs{0};
  uint32_t version = 0;
  Device device;
  void* data = nullptr;
  size_t nbytes = 0;
  void (*deleter)(Storage*) = nullptr;  // for memory that is not ours; `owner` is its business
  void* owner = nullptr;

  static Storage* allocate(size_t nbytes, Device device);
  void resize(size_t nbytes);  // keeps the content; only for memory of ours
  void release();
};

struct TensorImpl {
  std::atomic<int> refs{0};
  Storage* storage = nullptr;
  void* data = nullptr;  // first element: storage->data + offset * itemsize
  int64_t offset = 0;    // in elements
  int64_t numel = 0;
  DType dtype = DType::Float32;
  uint8_t ndim = 0;
  bool contiguous = true;
  bool requires_grad = false;
  bool untracked = false;  // `.data`: changes through it do not count in the storage's version
  bool inference = false;  // made in inference_mode: autograd refuses it
  int64_t sizes[kMaxDims];
  int64_t strides[kMaxDims];  // in elements
};

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(TensorImpl* impl) : p_(impl) { retain(); }
  Tensor(const Tensor& o) : p_(o.p_) { retain(); }
  Tensor(Tensor&& o) noexcept : p_(o.p_) { o.p_ = nullptr; }
  Tensor& operator=(Tensor o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Tensor() {
    if (p_ && p_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(p_);
  }

  explicit operator bool() const { return p_ != nullptr; }
  TensorImpl* impl() const { return p_; }
  TensorImpl* operator->() const { return p_; }

  DType dtype() const { return p_->dtype; }
  Device device() const { return p_->storage->device; }
  int dim() const { return p_->ndim; }
  int64_t numel() const { return p_->numel; }
  int64_t size(int i) const { return p_->sizes[i < 0 ? i + p_->ndim : i]; }
  int64_t stride(int i) const { return p_->strides[i < 0 ? i + p_->ndim : i]; }
  Dims sizes() const { return Dims(p_->sizes, p_->ndim); }
  Dims strides() const { return Dims(p_->strides, p_->ndim); }
  bool is_contiguous() const { return p_->contiguous; }
  bool requires_grad() const { return p_->requires_grad; }
  size_t nbytes() const { return size_t(numel()) * itemsize(dtype()); }
  template <class T = void>
  T* data() const {
    return static_cast<T*>(p_->data);
  }
  void bump_version() const {
    if (!p_->untracked) p_->storage->version++;
  }
  bool same_shape(const Tensor& o) const {
    if (p_->ndim != o.p_->ndim) return false;
    for (int i = 0; i < p_->ndim; i++)
      if (p_->sizes[i] != o.p_->sizes[i]) return false;
    return true;
  }

 private:
  void retain() {
    if (p_) p_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  static void destroy(TensorImpl* impl);
  TensorImpl* p_ = nullptr;
};

// Uninitialised, contiguous.
Tensor empty(const Dims& sizes, DType dtype, Device device = {});
// Same shape as x (contiguous) with another or the same dtype.
Tensor empty_like(const Tensor& x, DType dtype);
inline Tensor empty_like(const Tensor& x) { return empty_like(x, x.dtype()); }
Tensor empty_strided(const Dims& sizes, const Dims& strides, DType dtype, Device device = {});
// A view of x's storage; `offset` in elements of x's dtype, from the start of the storage.
// Throws where the view would reach outside of the storage.
Tensor as_strided(const Tensor& x, const Dims& sizes, const Dims& strides, int64_t offset);
// A new tensor object over the same memory.
Tensor alias(const Tensor& x);
// A tensor over foreign memory; `deleter(storage)` runs when the last view is gone.
Tensor from_blob(void* data, const Dims& sizes, const Dims& strides, DType dtype, Device device,
                 void (*deleter)(Storage*), void* owner);

Dims contiguous_strides(const Dims& sizes);
bool is_contiguous(const Dims& sizes, const Dims& strides);
// dim in [-n, n) to [0, n); IndexError that names the op otherwise. A 0-dim tensor has one dim.
int wrap_dim(int64_t dim, int ndim, const char* op);
// Shape that a and b broadcast to; RuntimeError that names the op and both shapes otherwise.
Dims broadcast_shapes(const Dims& a, const Dims& b, const char* op);
// x viewed with the broadcast shape (stride 0 along the new or stretched dims).
Tensor expand_to(const Tensor& x, const Dims& sizes, const char* op);

}  // namespace mt
