// Shared memory as kernels see it: MT_SHARED, MT_DYN_SHARED, Shared<T>. Every element access is
// checked: inside of its array, initialised, without a race.
#pragma once
#include <cstddef>
#include <type_traits>

#include "cuda/emulator/shadow.h"

namespace mt {

template <class T>
class Shared;

// An element of a shared array. Load it into a typed variable; `auto` would keep the reference.
template <class T>
class SharedRef {
 public:
  using Value = std::remove_cv_t<T>;

  MT_EMU_INLINE SharedRef(T* p, const emu::SharedArray* a) : p_(p), array_(a) {}
  SharedRef(const SharedRef&) = default;

  MT_EMU_INLINE operator Value() const {
    check<true>();
    return *const_cast<Value*>(p_);
  }
  MT_EMU_INLINE Value operator=(const Value& v) const {
    check<false>();
    *p_ = v;
    return v;
  }
  MT_EMU_INLINE Value operator=(const SharedRef& other) const { return *this = Value(other); }
  template <class U>
  MT_EMU_INLINE Value operator=(const SharedRef<U>& other) const {
    return *this = Value(typename SharedRef<U>::Value(other));
  }
#define MT_EMU_UPDATE_(op)                                 \
  template <class U>                                       \
  MT_EMU_INLINE Value operator op## = (const U& v) const { \
    return *this = Value(Value(*this) op v);               \
  }
  MT_EMU_UPDATE_(+)
  MT_EMU_UPDATE_(-)
  MT_EMU_UPDATE_(*)
  MT_EMU_UPDATE_(/)
  MT_EMU_UPDATE_(%)
  MT_EMU_UPDATE_(&)
  MT_EMU_UPDATE_(|)
  MT_EMU_UPDATE_(^)
  MT_EMU_UPDATE_(<<)
  MT_EMU_UPDATE_(>>)
#undef MT_EMU_UPDATE_
  MT_EMU_INLINE Value operator++() const { return *this += 1; }
  MT_EMU_INLINE Value operator--() const { return *this -= 1; }
  MT_EMU_INLINE Value operator++(int) const {
    Value old = *this;
    *this = Value(old + 1);
    return old;
  }
  MT_EMU_INLINE Value operator--(int) const {
    Value old = *this;
    *this = Value(old - 1);
    return old;
  }
  MT_EMU_INLINE Shared<T> operator&() const { return {p_, array_}; }

 private:
  template <bool kRead>
  MT_EMU_INLINE void check() const {
    emu::SharedHeader* h = emu::header_of(array_);
    if (!h->checks) return;
    const uintptr_t at = reinterpret_cast<uintptr_t>(p_) - array_->base;
    if (__builtin_expect(at >= array_->bytes || array_->bytes - at < sizeof(T), 0))
      emu::fail_bounds(array_, const_cast<const Value*>(p_), sizeof(T));
    if constexpr (kRead) emu::note_read<sizeof(T)>(h, const_cast<const Value*>(p_));
    else emu::note_write<sizeof(T)>(h, const_cast<const Value*>(p_));
  }

  T* p_;
  const emu::SharedArray* array_;
};

// A pointer into a shared array that knows the array.
template <class T>
class Shared {
 public:
  Shared() = default;
  MT_EMU_INLINE Shared(T* p, const emu::SharedArray* a) : p_(p), array_(a) {}
  MT_EMU_INLINE Shared(std::nullptr_t) {}
  template <class U>
    requires std::is_same_v<const U, T>
  MT_EMU_INLINE Shared(const Shared<U>& other) : p_(other.pointer()), array_(other.array()) {}

  template <class I>
    requires std::is_integral_v<I>
  MT_EMU_INLINE SharedRef<T> operator[](I i) const {
    return {p_ + i, array_};
  }
  MT_EMU_INLINE SharedRef<T> operator*() const { return {p_, array_}; }

  MT_EMU_INLINE Shared operator+(ptrdiff_t n) const { return {p_ + n, array_}; }
  MT_EMU_INLINE Shared operator-(ptrdiff_t n) const { return {p_ - n, array_}; }
  friend MT_EMU_INLINE Shared operator+(ptrdiff_t n, Shared s) { return s + n; }
  MT_EMU_INLINE ptrdiff_t operator-(const Shared& other) const { return p_ - other.p_; }
  MT_EMU_INLINE Shared& operator+=(ptrdiff_t n) { return p_ += n, *this; }
  MT_EMU_INLINE Shared& operator-=(ptrdiff_t n) { return p_ -= n, *this; }
  MT_EMU_INLINE Shared& operator++() { return ++p_, *this; }
  MT_EMU_INLINE Shared& operator--() { return --p_, *this; }
  MT_EMU_INLINE Shared operator++(int) { return {p_++, array_}; }
  MT_EMU_INLINE Shared operator--(int) { return {p_--, array_}; }
  friend MT_EMU_INLINE bool operator==(const Shared& a, const Shared& b) { return a.p_ == b.p_; }
  friend MT_EMU_INLINE auto operator<=>(const Shared& a, const Shared& b) { return a.p_ <=> b.p_; }
  MT_EMU_INLINE explicit operator bool() const { return p_ != nullptr; }

  MT_EMU_INLINE T* pointer() const { return p_; }
  MT_EMU_INLINE const emu::SharedArray* array() const { return array_; }

 private:
  T* p_ = nullptr;
  const emu::SharedArray* array_ = nullptr;
};

namespace emu {
[[noreturn]] MT_EMU_COLD void fail_alignment(const SharedArray*, const void* p, size_t alignment);
const SharedArray* find_shared(const void* site, const char* name, size_t count, size_t element,
                               size_t alignment);
const SharedArray* find_dynamic(const char* name, size_t element, size_t alignment);

template <class T>
MT_EMU_INLINE Shared<T> shared_array(const void* site, const char* name, size_t count) {
  SharedHeader* h = self().block->shared;
  const SharedArray* a = h->count > 0 && h->arrays[0].site == site
                             ? &h->arrays[0]
                             : find_shared(site, name, count, sizeof(T), alignof(T));
  return {reinterpret_cast<T*>(a->base), a};
}
template <class T>
MT_EMU_INLINE Shared<T> dynamic_array(const char* name, size_t alignment) {
  const SharedArray* a = find_dynamic(name, sizeof(T), alignment);
  return {reinterpret_cast<T*>(a->base), a};
}
}  // namespace emu

template <class U, class T>
MT_EMU_INLINE Shared<U> shared_cast(Shared<T> s) {
  if constexpr (alignof(U) > alignof(T))
    if (uintptr_t(s.pointer()) % alignof(U))
      emu::fail_alignment(s.array(), s.pointer(), alignof(U));
  return {reinterpret_cast<U*>(s.pointer()), s.array()};
}
template <class T>
MT_EMU_INLINE T* raw(Shared<T> s) {
  return s.pointer();
}

}  // namespace mt

#define MT_SHARED(T, name, N) \
  static char mt_site_##name; \
  const ::mt::Shared<T> name = ::mt::emu::shared_array<T>(&mt_site_##name, #name, (N))
#define MT_DYN_SHARED_ALIGNED(T, name, alignment) \
  const ::mt::Shared<T> name = ::mt::emu::dynamic_array<T>(#name, (alignment))
#define MT_DYN_SHARED(T, name) MT_DYN_SHARED_ALIGNED(T, name, 128)
