// Atomic functions of CUDA on global memory (which blocks on other OS threads may touch) and on
// shared memory (one OS thread, so plain operations that the race check knows to be atomic).
#pragma once
#include <bit>
#include <cstring>
#include <type_traits>

#include "cuda/emulator/parallel.h"
#include "cuda/emulator/shared.h"

namespace mt::emu {

template <class T>
using Same = std::type_identity_t<T>;

// Unsigned integer of T's size, for compare-and-swap on the bits.
template <class T>
using Bits =
    std::conditional_t<sizeof(T) == 8, unsigned long long,
                       std::conditional_t<sizeof(T) == 4, unsigned,
                                          std::conditional_t<sizeof(T) == 2, uint16_t, uint8_t>>>;

template <class T, class F>
MT_EMU_INLINE T atomic_update(T* p, F&& f) {
  take_turn();
  auto* bits = reinterpret_cast<Bits<T>*>(p);
  Bits<T> seen = __atomic_load_n(bits, __ATOMIC_RELAXED);
  for (;;) {
    T old = std::bit_cast<T>(seen);
    Bits<T> next = std::bit_cast<Bits<T>>(T(f(old)));
    if (next != seen) note_progress();
    if (__atomic_compare_exchange_n(bits, &seen, next, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
      return old;
  }
}

template <class T>
MT_EMU_INLINE void check_atomic(const Shared<T>& s) {
  const SharedArray* a = s.array();
  SharedHeader* h = header_of(a);
  if (!h->checks) return;
  uintptr_t at = reinterpret_cast<uintptr_t>(s.pointer()) - a->base;
  if (at >= a->bytes || a->bytes - at < sizeof(T)) fail_bounds(a, s.pointer(), sizeof(T));
  check_access_here(s.pointer(), sizeof(T), Access::Atomic);
}

template <class T, class F>
MT_EMU_INLINE T atomic_update(Shared<T> s, F&& f) {
  check_atomic(s);
  T* p = s.pointer();
  T old = *p, next = f(old);
  if (std::memcmp(&old, &next, sizeof(T)) != 0) note_progress();
  *p = next;
  return old;
}

}  // namespace mt::emu

// Both forms of one function: `a` is the old value, `b` the operand.
#define MT_EMU_ATOMIC_(name, expression)                                              \
  template <class T>                                                                  \
  inline T name(T* p, mt::emu::Same<T> b) {                                           \
    return mt::emu::atomic_update(p, [=](T a) -> T { return T(expression); });        \
  }                                                                                   \
  template <class T>                                                                  \
  __attribute__((always_inline)) inline T name(mt::Shared<T> p, mt::emu::Same<T> b) { \
    return mt::emu::atomic_update(p, [=](T a) -> T { return T(expression); });        \
  }
MT_EMU_ATOMIC_(atomicAdd, a + b)
MT_EMU_ATOMIC_(atomicSub, a - b)
MT_EMU_ATOMIC_(atomicMin, b < a ? b : a)
MT_EMU_ATOMIC_(atomicMax, a < b ? b : a)
MT_EMU_ATOMIC_(atomicAnd, a& b)
MT_EMU_ATOMIC_(atomicOr, a | b)
MT_EMU_ATOMIC_(atomicXor, a ^ b)
MT_EMU_ATOMIC_(atomicExch, ((void)a, b))
MT_EMU_ATOMIC_(atomicInc, a >= b ? 0u : a + 1u)
MT_EMU_ATOMIC_(atomicDec, a == 0 || a > b ? b : a - 1u)
#undef MT_EMU_ATOMIC_

template <class T>
inline T atomicCAS(T* p, mt::emu::Same<T> compare, mt::emu::Same<T> value) {
  return mt::emu::atomic_update(p, [=](T a) { return a == compare ? value : a; });
}
template <class T>
__attribute__((always_inline)) inline T atomicCAS(mt::Shared<T> p, mt::emu::Same<T> compare,
                                                  mt::emu::Same<T> value) {
  return mt::emu::atomic_update(p, [=](T a) { return a == compare ? value : a; });
}

// Atomics of a narrower or wider scope are the same here.
#define MT_EMU_SCOPED_(name)            \
  template <class P, class V>           \
  inline auto name##_block(P p, V v) {  \
    return name(p, v);                  \
  }                                     \
  template <class P, class V>           \
  inline auto name##_system(P p, V v) { \
    return name(p, v);                  \
  }
MT_EMU_SCOPED_(atomicAdd)
MT_EMU_SCOPED_(atomicMax)
MT_EMU_SCOPED_(atomicMin)
MT_EMU_SCOPED_(atomicExch)
#undef MT_EMU_SCOPED_
template <class P, class V>
inline auto atomicCAS_system(P p, V compare, V value) {
  return atomicCAS(p, compare, value);
}
template <class P, class V>
inline auto atomicCAS_block(P p, V compare, V value) {
  return atomicCAS(p, compare, value);
}
