// Emulated bodies of ptx_copy.cuh. With MINITORCH_EMULATOR_ASYNC=early a cp.async happens when it
// is issued, with late when its thread waits for it: a kernel must give the same result in both.
#pragma once
#include <cstring>
#include <vector>

#include "cuda/emulator/report.h"
#include "cuda/emulator/settings.h"
#include "cuda/emulator/shadow.h"

namespace mt::emu {

// The copies of a block that have not happened yet, per thread.
struct AsyncCopies {
  struct Copy {
    char* dst;
    const char* src;
    uint32_t bytes, valid, group;
  };
  struct Queue {
    std::vector<Copy> copies;
    uint32_t committed = 0;
  };
  std::vector<Queue> queues;

  Queue& mine() {
    if (queues.empty()) queues.resize(self().block->size);
    return queues[self().rank];
  }
};

inline void perform(const AsyncCopies::Copy& c) {
  note_shared_write(c.dst, c.bytes);
  std::memcpy(c.dst, c.src, c.valid);
  std::memset(c.dst + c.valid, 0, c.bytes - c.valid);
}

// Performs this thread's copies of all but the latest `pending` groups.
inline void wait_for_copies(uint32_t pending) {
  if (!async_late()) return;
  AsyncCopies::Queue& q = block_local<AsyncCopies>().mine();
  size_t n = 0;
  while (n < q.copies.size() && q.copies[n].group + pending < q.committed) perform(q.copies[n++]);
  q.copies.erase(q.copies.begin(), q.copies.begin() + ptrdiff_t(n));
}

inline void check_aligned(const void* p, uintptr_t alignment, const char* what, Location where) {
  if (reinterpret_cast<uintptr_t>(p) % alignment)
    fail(format("%s needs %d-byte alignment, got address %p", what, int(alignment), p), where);
}
inline void check_shared(const void* p, const char* what, Location where) {
  if (!is_shared(p))
    fail(format("%s needs an address in this block's shared memory, got %p", what, p), where);
}

struct MatrixRow {
  const void* row;
  uint32_t r[4];
};
struct MatrixWords {
  uint32_t r[4];
};

// Element e (0, 1) of lane l lies in row l / 4, column 2 (l % 4) + e; transposed, the reverse.
template <bool Trans>
void ldmatrix_warp(const MatrixRow* ins, MatrixWords* outs, int count) {
  for (int i = 0; i < count; ++i)
    for (int l = 0; l < 32; ++l) {
      uint16_t e[2];
      for (int j = 0; j < 2; ++j) {
        int row = Trans ? 2 * (l % 4) + j : l / 4, col = Trans ? l / 4 : 2 * (l % 4) + j;
        std::memcpy(&e[j], static_cast<const char*>(ins[8 * i + row].row) + 2 * col, 2);
      }
      outs[l].r[i] = uint32_t(e[1]) << 16 | e[0];
    }
}

// The 16 bytes that belong to the row whose address lane 8 i + row gave.
template <bool Trans>
void stmatrix_warp(const MatrixRow* ins, MatrixWords* outs, int count) {
  for (int i = 0; i < count; ++i)
    for (int l = 0; l < 32; ++l)
      for (int j = 0; j < 2; ++j) {
        int row = Trans ? 2 * (l % 4) + j : l / 4, col = Trans ? l / 4 : 2 * (l % 4) + j;
        uint16_t e = uint16_t(ins[l].r[i] >> (16 * j));
        std::memcpy(reinterpret_cast<char*>(outs[8 * i + row].r) + 2 * col, &e, 2);
      }
}

}  // namespace mt::emu

namespace mt::ptx {

template <int Bytes>
void cp_async(void* dst_shared, const void* src, uint32_t valid = Bytes,
              emu::Location where = emu::Location::current()) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async copies 4, 8 or 16 bytes");
  emu::check_shared(dst_shared, "cp_async", where);
  emu::check_aligned(dst_shared, Bytes, "cp_async (destination)", where);
  emu::check_aligned(src, Bytes, "cp_async (source)", where);
  if (valid > uint32_t(Bytes))
    emu::fail(emu::format("cp_async: %u valid bytes of %d", valid, Bytes), where);
  emu::AsyncCopies::Copy copy{static_cast<char*>(dst_shared), static_cast<const char*>(src), Bytes,
                              valid, 0};
  if (!emu::async_late()) return emu::perform(copy);
  emu::AsyncCopies::Queue& q = emu::block_local<emu::AsyncCopies>().mine();
  copy.group = q.committed;
  q.copies.push_back(copy);
}

inline void cp_async_commit() {
  if (emu::async_late()) ++emu::block_local<emu::AsyncCopies>().mine().committed;
}

template <int Pending>
void cp_async_wait() {
  emu::wait_for_copies(Pending);
}

// Also waits for copies that no commit has closed.
inline void cp_async_wait_all() {
  cp_async_commit();
  emu::wait_for_copies(0);
}

template <bool Trans = false, int Count>
void ldmatrix(uint32_t (&r)[Count], const void* row_shared,
              emu::Location where = emu::Location::current()) {
  static_assert(Count == 1 || Count == 2 || Count == 4, "ldmatrix loads 1, 2 or 4 matrices");
  if (emu::self().lane < 8 * Count) {
    emu::check_shared(row_shared, "ldmatrix", where);
    emu::check_aligned(row_shared, 16, "ldmatrix", where);
    emu::note_shared_read(row_shared, 16);
  }
  auto out = emu::warp_collective<emu::MatrixRow, emu::MatrixWords>(
      ~0u, emu::MatrixRow{row_shared, {}},
      [](const emu::MatrixRow* ins, emu::MatrixWords* outs, uint32_t) {
        emu::ldmatrix_warp<Trans>(ins, outs, Count);
      },
      "ldmatrix", where);
  for (int i = 0; i < Count; ++i) r[i] = out.r[i];
}

template <bool Trans = false, int Count>
void stmatrix(void* row_shared, const uint32_t (&r)[Count],
              emu::Location where = emu::Location::current()) {
  static_assert(Count == 1 || Count == 2 || Count == 4, "stmatrix stores 1, 2 or 4 matrices");
  emu::MatrixRow in{row_shared, {}};
  for (int i = 0; i < Count; ++i) in.r[i] = r[i];
  auto out = emu::warp_collective<emu::MatrixRow, emu::MatrixWords>(
      ~0u, in,
      [](const emu::MatrixRow* ins, emu::MatrixWords* outs, uint32_t) {
        emu::stmatrix_warp<Trans>(ins, outs, Count);
      },
      "stmatrix", where);
  if (emu::self().lane < 8 * Count) {
    emu::check_shared(row_shared, "stmatrix", where);
    emu::check_aligned(row_shared, 16, "stmatrix", where);
    emu::note_shared_write(row_shared, 16);
    std::memcpy(row_shared, out.r, 16);
  }
}

}  // namespace mt::ptx
