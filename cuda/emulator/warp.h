// Warp functions of CUDA: shuffles, votes, reductions, on top of warp_collective.
#pragma once
#include <type_traits>

#include "cuda/emulator/report.h"
#include "cuda/emulator/thread.h"

namespace mt::emu {

struct Nothing {};
constexpr uint32_t kFullMask = 0xffffffffu;

// Lane that `lane` reads from, or itself where CUDA keeps the own value.
enum class Shuffle { Index, Up, Down, Xor };
MT_EMU_INLINE int shuffle_source(Shuffle kind, int lane, int operand, int width) {
  const int first = lane & ~(width - 1), last = first + width - 1;
  int source = lane;
  switch (kind) {
    case Shuffle::Index:
      return first + (operand & (width - 1));
    case Shuffle::Up:
      source = lane - operand;
      return source < first ? lane : source;
    case Shuffle::Down:
      source = lane + operand;
      return source > last ? lane : source;
    case Shuffle::Xor:
      source = lane ^ operand;
      return source > last ? lane : source;
  }
  return lane;
}

template <class T>
struct ShuffleIn {
  T value;
  int operand, width;
};

[[noreturn]] MT_EMU_COLD void fail_shuffle(int lane, int source, uint32_t mask, const char* what,
                                           Location where);

template <class T>
T shuffle(Shuffle kind, uint32_t mask, T value, int operand, int width, const char* what,
          Location where) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8),
                "shuffles move 4- and 8-byte numbers; convert smaller ones first");
  return warp_collective<ShuffleIn<T>, T>(
      mask, ShuffleIn<T>{value, operand, width},
      [&](const ShuffleIn<T>* in, T* out, uint32_t lanes) {
        for (int i = 0; i < kWarp; ++i) {
          if (!(lanes >> i & 1)) continue;
          int source = shuffle_source(kind, i, in[i].operand, in[i].width);
          if (!(lanes >> source & 1)) fail_shuffle(i, source, lanes, what, where);
          out[i] = in[source].value;
        }
      },
      what, where);
}

// Bits of the lanes in `mask` whose predicate is true.
inline uint32_t ballot(uint32_t mask, bool predicate, const char* what, Location where) {
  return warp_collective<bool, uint32_t>(
      mask, predicate,
      [](const bool* in, uint32_t* out, uint32_t lanes) {
        uint32_t votes = 0;
        for (int i = 0; i < kWarp; ++i)
          if (lanes >> i & 1) votes |= uint32_t(in[i]) << i;
        for (int i = 0; i < kWarp; ++i) out[i] = votes;
      },
      what, where);
}

template <class T, class F>
T reduce(uint32_t mask, T value, F&& f, const char* what, Location where) {
  return warp_collective<T, T>(
      mask, value,
      [&](const T* in, T* out, uint32_t lanes) {
        int i = __builtin_ctz(lanes);
        T all = in[i];
        while (++i < kWarp)
          if (lanes >> i & 1) all = f(all, in[i]);
        for (i = 0; i < kWarp; ++i) out[i] = all;
      },
      what, where);
}

template <class T>
uint32_t match_any(uint32_t mask, T value, Location where) {
  return warp_collective<T, uint32_t>(
      mask, value,
      [](const T* in, uint32_t* out, uint32_t lanes) {
        for (int i = 0; i < kWarp; ++i) {
          out[i] = 0;
          for (int j = 0; j < kWarp; ++j)
            if ((lanes >> i & 1) && (lanes >> j & 1) && in[i] == in[j]) out[i] |= 1u << j;
        }
      },
      "__match_any_sync", where);
}

uint32_t active_mask();

}  // namespace mt::emu

#define MT_EMU_SHUFFLE_(name, kind, Operand)                                                 \
  template <class T>                                                                         \
  inline T name(unsigned mask, T value, Operand operand, int width = 32,                     \
                std::source_location where = std::source_location::current()) {              \
    return mt::emu::shuffle(mt::emu::Shuffle::kind, mask, value, int(operand), width, #name, \
                            where);                                                          \
  }
MT_EMU_SHUFFLE_(__shfl_sync, Index, int)
MT_EMU_SHUFFLE_(__shfl_up_sync, Up, unsigned)
MT_EMU_SHUFFLE_(__shfl_down_sync, Down, unsigned)
MT_EMU_SHUFFLE_(__shfl_xor_sync, Xor, int)
#undef MT_EMU_SHUFFLE_

inline void __syncwarp(unsigned mask = 0xffffffffu,
                       std::source_location where = std::source_location::current()) {
  mt::emu::Nothing nothing;
  if (unsigned present = mt::emu::warp_arrive(mask, &nothing, &nothing, "__syncwarp", where))
    mt::emu::warp_leave(present);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              std::source_location where = std::source_location::current()) {
  return mt::emu::ballot(mask, predicate, "__ballot_sync", where);
}
inline int __any_sync(unsigned mask, int predicate,
                      std::source_location where = std::source_location::current()) {
  return mt::emu::ballot(mask, predicate, "__any_sync", where) != 0;
}
inline int __all_sync(unsigned mask, int predicate,
                      std::source_location where = std::source_location::current()) {
  return mt::emu::ballot(mask, !predicate, "__all_sync", where) == 0;
}
inline unsigned __activemask() { return mt::emu::active_mask(); }
template <class T>
inline unsigned __match_any_sync(unsigned mask, T value,
                                 std::source_location where = std::source_location::current()) {
  return mt::emu::match_any(mask, value, where);
}
template <class T>
inline unsigned __match_all_sync(unsigned mask, T value, int* same,
                                 std::source_location where = std::source_location::current()) {
  unsigned equal = mt::emu::match_any(mask, value, where);
  *same = equal == mask;
  return *same ? mask : 0u;
}

#define MT_EMU_REDUCE_(name, T, expression)                                                      \
  inline T name(unsigned mask, T value,                                                          \
                std::source_location where = std::source_location::current()) {                  \
    return mt::emu::reduce(mask, value, [](T a, T b) -> T { return expression; }, #name, where); \
  }
MT_EMU_REDUCE_(__reduce_add_sync, unsigned, a + b)
MT_EMU_REDUCE_(__reduce_add_sync, int, int(unsigned(a) + unsigned(b)))
MT_EMU_REDUCE_(__reduce_min_sync, unsigned, a < b ? a : b)
MT_EMU_REDUCE_(__reduce_min_sync, int, a < b ? a : b)
MT_EMU_REDUCE_(__reduce_max_sync, unsigned, a > b ? a : b)
MT_EMU_REDUCE_(__reduce_max_sync, int, a > b ? a : b)
MT_EMU_REDUCE_(__reduce_and_sync, unsigned, a& b)
MT_EMU_REDUCE_(__reduce_or_sync, unsigned, a | b)
MT_EMU_REDUCE_(__reduce_xor_sync, unsigned, a ^ b)
#undef MT_EMU_REDUCE_

inline void __syncthreads(std::source_location where = std::source_location::current()) {
  mt::emu::syncthreads(where);
}
inline int __syncthreads_count(int predicate,
                               std::source_location where = std::source_location::current()) {
  return mt::emu::syncthreads_count(predicate != 0, where);
}
inline int __syncthreads_or(int predicate,
                            std::source_location where = std::source_location::current()) {
  return mt::emu::syncthreads_count(predicate != 0, where) != 0;
}
inline int __syncthreads_and(int predicate,
                             std::source_location where = std::source_location::current()) {
  return mt::emu::syncthreads_count(predicate == 0, where) == 0;
}
