// Emulated bodies of ptx_wgmma.cuh: the 128 threads meet, products are computed when they are
// issued (MINITORCH_EMULATOR_ASYNC=early) or when they are waited for (late). In both, the
// accumulators hold NaN until the wait, since the tensor core owns them.
#pragma once
#include <array>
#include <bit>
#include <deque>
#include <map>
#include <memory>

#include "cuda/emulator/ptx_mma.h"
#include "cuda/emulator/ptx_tma.h"

namespace mt::emu {

constexpr uint32_t kInFlight = 0x7ffad0b1;  // a NaN that no arithmetic gives

struct Accumulator {
  std::array<float*, 128> owner;  // d of each thread
  int count;                      // floats per thread
  std::vector<float> value;       // 64 x (2 count), row-major
  int outstanding = 0;            // products issued and not waited for
};

// One wgmma: what the hardware reads when it runs.
struct Wgmma {
  Accumulator* acc;
  uint64_t a, b;
  std::vector<std::array<uint32_t, 4>> a_words;  // A from registers, per thread
  bool accumulate, trans_a, trans_b;
  void (*run)(const Wgmma&, Block&);
  const char* what;
  Location where;
};

struct WgmmaGroup {
  std::vector<Wgmma> products;
};

struct WarpgroupState {
  std::map<float*, std::unique_ptr<Accumulator>> accumulators;  // by d of the first thread
  std::vector<Wgmma> open;                                      // not committed
  std::deque<std::vector<Wgmma>> groups;
  bool fenced = false;
};

struct WgmmaState {
  WarpgroupState of[kMaxWarps / 4];
};
inline WarpgroupState& my_warpgroup() { return block_local<WgmmaState>().of[self().warp / 4]; }

// Shared address of the 16 bytes that hold elements (mn, k) .. of an operand: `per_chunk` elements
// along K, or along M/N when transposed.
inline uint32_t operand_address(uint64_t desc, bool trans, int mn, int k, int per_chunk) {
  const uint32_t start = uint32_t(desc & 0x3fff) << 4, lead = uint32_t(desc >> 16 & 0x3fff) << 4,
                 stride = uint32_t(desc >> 32 & 0x3fff) << 4;
  const int mode = int(desc >> 62), swizzle = mode ? 4 - mode : 0;
  const uint32_t span = 16u << swizzle;  // bytes of a row of the core
  uint32_t offset;
  if (!trans) {
    uint32_t chunk = uint32_t(k / per_chunk);
    offset =
        uint32_t(mn % 8) * span + uint32_t(mn / 8) * stride + (swizzle ? chunk * 16 : chunk * lead);
  } else {
    uint32_t chunk = uint32_t(mn / per_chunk), chunks = span / 16;
    offset = uint32_t(k % 8) * span + chunk % chunks * 16 +
             uint32_t(k / 8) * (swizzle ? stride : lead) +
             chunk / chunks * (swizzle ? lead : stride);
  }
  return swizzled(start + offset, swizzle);
}

template <class T>
struct WgmmaElement {
  using type = T;
};

inline const char* operand_pointer(Block& block, uint32_t address) {
  return window_of(block.shared) + (address & (kWindowBytes - 1));
}

// Calls f(mn, k, pointer) for each 16-byte chunk of an operand of `extent` rows.
template <class T, class F>
void for_operand(Block& block, uint64_t desc, bool trans, int extent, F&& f) {
  constexpr int per_chunk = 16 / sizeof(T), K = 32 / sizeof(T);
  for (int mn = 0; mn < extent; mn += trans ? per_chunk : 1)
    for (int k = 0; k < K; k += trans ? 1 : per_chunk)
      f(mn, k, operand_pointer(block, operand_address(desc, trans, mn, k, per_chunk)));
}

template <class T>
float shared_element(const char* p, int i) {
  if constexpr (sizeof(T) == 2) {
    T v;
    std::memcpy(&v, p + 2 * i, 2);
    return to_float(v);
  } else {
    uint32_t v;
    std::memcpy(&v, p + 4 * i, 4);
    return element(float{}, v, 0);
  }
}

template <class T, int N>
void run_wgmma(const Wgmma& w, Block& block) {
  constexpr int per_chunk = 16 / sizeof(T), K = 32 / sizeof(T), per_word = 4 / sizeof(T);
  std::vector<float> a(64 * K), b(size_t(K) * N);
  if (w.a_words.empty()) {
    for_operand<T>(block, w.a, w.trans_a, 64, [&](int m, int k, const char* p) {
      note_shared_read(p, 16);
      for (int i = 0; i < per_chunk; ++i)
        a[size_t((m + (w.trans_a ? i : 0)) * K + k + (w.trans_a ? 0 : i))] =
            shared_element<T>(p, i);
    });
  } else {
    using Tag = std::conditional_t<sizeof(T) == 4, float, T>;
    for (int thread = 0; thread < 128; ++thread) {
      int row = thread / 32 * 16 + thread % 32 / 4;
      for (int word = 0; word < 4; ++word)
        for (int i = 0; i < per_word; ++i)
          a[size_t((row + word % 2 * 8) * K + word / 2 * (K / 2) + thread % 4 * per_word + i)] =
              element(Tag{}, w.a_words[size_t(thread)][size_t(word)], i);
    }
  }
  for_operand<T>(block, w.b, w.trans_b, N, [&](int n, int k, const char* p) {
    note_shared_read(p, 16);
    for (int i = 0; i < per_chunk; ++i)
      b[size_t((k + (w.trans_b ? 0 : i)) * N + n + (w.trans_b ? i : 0))] = shared_element<T>(p, i);
  });
  if (!w.accumulate) std::fill(w.acc->value.begin(), w.acc->value.end(), 0.0f);
  multiply_add(w.acc->value.data(), a.data(), b.data(), 64, N, K);
}

// Index of d[i] of a thread in the row-major 64 x N accumulator.
inline int accumulator_index(int thread, int i, int n) {
  int row = thread / 32 * 16 + thread % 32 / 4 + i % 4 / 2 * 8;
  return row * n + i / 4 * 8 + thread % 4 * 2 + i % 2;
}

struct WgmmaIn {
  float* d;
  uint64_t a, b;
  uint32_t words[4];
  bool accumulate;
};
struct Done {};

template <class T, int N>
void issue_wgmma(const WgmmaIn* const* ins, bool registers, bool trans_a, bool trans_b,
                 Location where) {
  const char* what = "wgmma";
  WarpgroupState& state = my_warpgroup();
  if (!state.fenced)
    fail("wgmma: registers may have changed since the last wait, wgmma_fence is missing", where);
  for (int i = 1; i < 128; ++i)
    if (ins[i]->b != ins[0]->b || (!registers && ins[i]->a != ins[0]->a) ||
        ins[i]->accumulate != ins[0]->accumulate)
      fail("wgmma: the threads of the warpgroup give different descriptors", where);
  constexpr int count = N / 2;
  std::unique_ptr<Accumulator>& acc = state.accumulators[ins[0]->d];
  if (!acc) {
    acc = std::make_unique<Accumulator>();
    acc->count = count;
    acc->value.resize(64 * N);
    for (int t = 0; t < 128; ++t) {
      float* d = acc->owner[size_t(t)] = ins[t]->d;
      for (int i = 0; i < count; ++i) {
        acc->value[size_t(accumulator_index(t, i, N))] = d[i];
        d[i] = std::bit_cast<float>(kInFlight);
      }
    }
  } else if (acc->count != count) {
    fail("wgmma: another shape is under way in these accumulators", where);
  }
  ++acc->outstanding;
  Wgmma w{acc.get(), ins[0]->a, ins[0]->b,       {},   ins[0]->accumulate,
          trans_a,   trans_b,   run_wgmma<T, N>, what, where};
  Block& block = *self().block;
  auto check = [&](int, int, const char* p) { check_proxy_read(p, 16, what, where); };
  if (registers)
    for (int t = 0; t < 128; ++t)
      w.a_words.push_back({ins[t]->words[0], ins[t]->words[1], ins[t]->words[2], ins[t]->words[3]});
  else for_operand<T>(block, w.a, trans_a, 64, check);
  for_operand<T>(block, w.b, trans_b, N, check);
  if (!async_late()) w.run(w, block);
  state.open.push_back(std::move(w));
}

inline void finish_group(WarpgroupState& state, std::vector<Wgmma>& group, Block& block) {
  for (Wgmma& w : group) {
    if (async_late()) w.run(w, block);
    if (--w.acc->outstanding) continue;
    const int n = 2 * w.acc->count;
    for (int t = 0; t < 128; ++t)
      for (int i = 0; i < w.acc->count; ++i) {
        float& d = w.acc->owner[size_t(t)][i];
        if (std::bit_cast<uint32_t>(d) != kInFlight)
          fail("wgmma: accumulators were written before wgmma_wait", w.where);
        d = w.acc->value[size_t(accumulator_index(t, i, n))];
      }
    state.accumulators.erase(w.acc->owner[0]);
  }
}

inline void wait_for_wgmma(size_t pending, Location where) {
  warpgroup_collective<Done, Done>(
      Done{},
      [&](auto, auto) {
        WarpgroupState& state = my_warpgroup();
        state.fenced = false;
        while (state.groups.size() > pending) {
          finish_group(state, state.groups.front(), *self().block);
          state.groups.pop_front();
        }
      },
      "wgmma_wait", where);
}

}  // namespace mt::emu

namespace mt::ptx {

inline void wgmma_fence(emu::Location where = emu::Location::current()) {
  emu::warpgroup_collective<emu::Done, emu::Done>(
      emu::Done{}, [](auto, auto) { emu::my_warpgroup().fenced = true; }, "wgmma_fence", where);
}

inline void wgmma_commit(emu::Location where = emu::Location::current()) {
  emu::warpgroup_collective<emu::Done, emu::Done>(
      emu::Done{},
      [](auto, auto) {
        emu::WarpgroupState& state = emu::my_warpgroup();
        state.groups.push_back(std::move(state.open));
        state.open.clear();
      },
      "wgmma_commit", where);
}

template <int Pending>
void wgmma_wait(emu::Location where = emu::Location::current()) {
  emu::wait_for_wgmma(Pending, where);
}

template <int Count>
void wgmma_own(float (&)[Count]) {}

template <int Count>
void register_limit_increase() {
  static_assert(Count % 8 == 0 && Count >= 24 && Count <= 256, "setmaxnreg: 24..256 in steps of 8");
}
template <int Count>
void register_limit_decrease() {
  static_assert(Count % 8 == 0 && Count >= 24 && Count <= 256, "setmaxnreg: 24..256 in steps of 8");
}

template <class T, int N, bool TransA = false, bool TransB = false>
void wgmma(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate = true,
           emu::Location where = emu::Location::current()) {
  static_assert(N == 64 || N == 128 || N == 192 || N == 256, "wgmma: N is 64, 128, 192 or 256");
  static_assert(sizeof(T) == 2 || !(TransA || TransB), "wgmma: tf32 operands are K-major");
  emu::warpgroup_collective<emu::WgmmaIn, emu::Done>(
      emu::WgmmaIn{d, a, b, {}, accumulate},
      [&](const emu::WgmmaIn* const* ins, auto) {
        emu::issue_wgmma<T, N>(ins, false, TransA, TransB, where);
      },
      "wgmma", where);
}

template <class T, int N, bool TransB = false>
void wgmma(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b, bool accumulate = true,
           emu::Location where = emu::Location::current()) {
  static_assert(N == 64 || N == 128 || N == 192 || N == 256, "wgmma: N is 64, 128, 192 or 256");
  static_assert(sizeof(T) == 2 || !TransB, "wgmma: tf32 operands are K-major");
  emu::warpgroup_collective<emu::WgmmaIn, emu::Done>(
      emu::WgmmaIn{d, 0, b, {a[0], a[1], a[2], a[3]}, accumulate},
      [&](const emu::WgmmaIn* const* ins, auto) {
        emu::issue_wgmma<T, N>(ins, true, false, TransB, where);
      },
      "wgmma", where);
}

}  // namespace mt::ptx
