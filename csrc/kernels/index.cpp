// y = x[k], x[k] = v, x[k] += v for indices k along one dim (several indexed dims come combined
// into offsets). Forward of gather, index_select, embedding; backward of all of them.
//
// Reads are split by elements. Writes are split so that every element of x belongs to one thread:
// along a dim whose elements are distinct anyway, or by ranges of k (each thread then walks all
// indices and takes its own). The order of the writes to an element is that of the loop in any
// case, so the result does not depend on the number of threads. Bytes: one read of the index, one
// read and one write per element (+ one read of x for sums).
#include "ops/index.h"

#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

MT_INLINE int64_t at(const char* index) { return *reinterpret_cast<const int64_t*>(index); }
MT_INLINE int64_t wrap(int64_t k, int64_t size) { return k + (size & (k >> 63)); }

template <class T>
MT_INLINE void copy_run(char* y, const char* x, int64_t sy, int64_t sx, int64_t n) {
  if (sy == sizeof(T) && sx == sizeof(T)) {
    __builtin_memcpy(y, x, size_t(n) * sizeof(T));
  } else {
    for (int64_t i = 0; i < n; i++)
      *reinterpret_cast<T*>(y + i * sy) = *reinterpret_cast<const T*>(x + i * sx);
  }
}

// Whether n indices are in [low, high); the first that is not is reported.
MT_INLINE bool in_range(const char* index, int64_t step, int64_t n, int64_t low, int64_t high,
                        int64_t* found) {
  uint64_t range = uint64_t(high) - uint64_t(low);
  uint64_t bad = 0;
  if (step == 8) {
    const uint64_t* k = reinterpret_cast<const uint64_t*>(index);
    for (int64_t i = 0; i < n; i++) bad |= uint64_t(k[i] - uint64_t(low) >= range);
  } else {
    for (int64_t i = 0; i < n; i++)
      bad |= uint64_t(uint64_t(at(index + i * step)) - uint64_t(low) >= range);
  }
  if (MT_LIKELY(!bad)) return true;
  for (int64_t i = 0; i < n; i++) {
    int64_t k = at(index + i * step);
    if (uint64_t(k) - uint64_t(low) < range) continue;
    __atomic_store_n(&found[1], k, __ATOMIC_RELAXED);
    __atomic_store_n(&found[0], int64_t(1), __ATOMIC_RELAXED);
    break;
  }
  return false;
}

template <class T>
void get_typed(const IndexLoop& p) {
  run_elementwise(p.it, [&p](char* const* data, const int64_t* s, int64_t n) {
    if (s[2] == 0) {
      if (p.found && !in_range(data[2], 8, 1, p.low, p.size, p.found)) return;
      copy_run<T>(data[0], data[1] + wrap(at(data[2]), p.size) * p.step, s[0], s[1], n);
      return;
    }
    constexpr int64_t kBlock = 1024;  // checked indices are still in the cache when they are used
    for (int64_t begin = 0; begin < n; begin += kBlock) {
      int64_t m = n - begin < kBlock ? n - begin : kBlock;
      char* y = data[0] + begin * s[0];
      const char *x = data[1] + begin * s[1], *index = data[2] + begin * s[2];
      if (p.found && !in_range(index, s[2], m, p.low, p.size, p.found)) return;
      if (s[0] == sizeof(T) && s[1] == 0 && s[2] == 8) {
        const int64_t* k = reinterpret_cast<const int64_t*>(index);
        T* to = reinterpret_cast<T*>(y);
        if (p.found && p.low == 0 && p.step == sizeof(T)) {
          const T* from = reinterpret_cast<const T*>(x);
#pragma GCC unroll 8
          for (int64_t i = 0; i < m; i++) to[i] = from[k[i]];
          continue;
        }
        for (int64_t i = 0; i < m; i++)
          to[i] = *reinterpret_cast<const T*>(x + wrap(k[i], p.size) * p.step);
      } else {
        for (int64_t i = 0; i < m; i++)
          *reinterpret_cast<T*>(y + i * s[0]) = *reinterpret_cast<const T*>(
              x + i * s[1] + wrap(at(index + i * s[2]), p.size) * p.step);
      }
    }
  });
}

// Rows of contiguous bytes from anywhere: the next rows are fetched while one is copied, which
// hides the latency of random reads.
bool get_rows(int64_t itemsize, const IndexLoop& p) {
  const ElementIter& it = p.it;
  if (it.ndim != 2 || it.strides[0][2] != 0 || it.strides[0][0] != itemsize ||
      it.strides[0][1] != itemsize || it.strides[1][1] != 0)
    return false;
  int64_t bytes = it.shape[0] * itemsize, rows = it.shape[1];
  if (bytes < 64) return false;
  constexpr int64_t kAhead = 4;
  parallel_for(rows, ceil_div(kGrain * 4, bytes), [&](int64_t begin, int64_t end) {
    const char* index = it.data[2];
    int64_t si = it.strides[1][2];
    char* y = it.data[0] + begin * it.strides[1][0];
    for (int64_t r = begin; r < end; r++, y += it.strides[1][0]) {
      if (r + kAhead < end) {
        const char* next = it.data[1] + wrap(at(index + (r + kAhead) * si), p.size) * p.step;
        for (int64_t b = 0; b < bytes && b < 2048; b += 64) __builtin_prefetch(next + b);
      }
      __builtin_memcpy(y, it.data[1] + wrap(at(index + r * si), p.size) * p.step, size_t(bytes));
    }
  });
  return true;
}

// body(it, lo, hi) for parts of the loop that write to different elements of x; a part takes the
// indices in [lo, hi).
template <class Body>
MT_INLINE void partition(const IndexLoop& p, const Body& body) {
  const ElementIter& it = p.it;
  int64_t parts = ceil_div(it.numel, kGrain);
  if (parts > num_threads()) parts = num_threads();
  if (parts <= 1) return body(it, int64_t(0), p.size);
  bool rows = it.strides[0][2] == 0 && it.shape[0] >= 16;
  if (!rows && p.split >= 0 && it.shape[p.split] >= parts) {
    int d = p.split;
    parallel_for(it.shape[d], ceil_div(it.shape[d], parts), [&](int64_t begin, int64_t end) {
      ElementIter part = it;
      part.shape[d] = end - begin;
      part.numel = it.numel / it.shape[d] * (end - begin);
      for (int k = 0; k < it.nargs; k++) part.data[k] += begin * it.strides[d][k];
      body(part, int64_t(0), p.size);
    });
    return;
  }
  if (!rows && parts > 4) parts = 4;  // every part reads the whole index
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      body(it, p.size / parts * i + p.size % parts * i / parts,
           p.size / parts * (i + 1) + p.size % parts * (i + 1) / parts);
  });
}

// *to = f(*to, value) for the elements of a part; `mine(k)` says whether index k takes part.
template <class T, class Mine, class F>
MT_INLINE void write_part(const IndexLoop& p, const ElementIter& it, const Mine& mine, const F& f) {
  walk(it, 0, it.numel, [&](char* const* data, const int64_t* s, int64_t n) {
    const char *v = data[0], *index = data[2];
    char* x = data[1];
    if (s[2] == 0) {
      int64_t k = wrap(at(index), p.size);
      if (!mine(k)) return;
      x += k * p.step;
      if (s[0] == sizeof(T) && s[1] == sizeof(T)) {
        T* to = reinterpret_cast<T*>(x);
        const T* from = reinterpret_cast<const T*>(v);
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) to[i] = f(to[i], from[i]);
      } else if (s[0] == 0 && s[1] == sizeof(T)) {
        T* to = reinterpret_cast<T*>(x);
        const T value = *reinterpret_cast<const T*>(v);
        for (int64_t i = 0; i < n; i++) to[i] = f(to[i], value);
      } else {
        for (int64_t i = 0; i < n; i++) {
          T* to = reinterpret_cast<T*>(x + i * s[1]);
          *to = f(*to, *reinterpret_cast<const T*>(v + i * s[0]));
        }
      }
    } else if (s[0] == sizeof(T) && s[1] == 0 && s[2] == 8) {
      const int64_t* ks = reinterpret_cast<const int64_t*>(index);
      const T* from = reinterpret_cast<const T*>(v);
      const int64_t size = p.size, step = p.step;
      if (step == sizeof(T)) {
        T* to = reinterpret_cast<T*>(x);
#pragma GCC unroll 8
        for (int64_t i = 0; i < n; i++) {
          const int64_t k = wrap(ks[i], size);
          if (mine(k)) to[k] = f(to[k], from[i]);
        }
        return;
      }
      for (int64_t i = 0; i < n; i++) {
        int64_t k = wrap(ks[i], size);
        if (!mine(k)) continue;
        T* to = reinterpret_cast<T*>(x + k * step);
        *to = f(*to, from[i]);
      }
    } else {
      for (int64_t i = 0; i < n; i++) {
        int64_t k = wrap(at(index + i * s[2]), p.size);
        if (!mine(k)) continue;
        T* to = reinterpret_cast<T*>(x + i * s[1] + k * p.step);
        *to = f(*to, *reinterpret_cast<const T*>(v + i * s[0]));
      }
    }
  });
}

template <class T, class F>
MT_INLINE void write_typed(const IndexLoop& p, const F& f) {
  partition(p, [&](const ElementIter& it, int64_t lo, int64_t hi) {
    if (lo == 0 && hi == p.size && p.skip < 0)
      write_part<T>(p, it, [](int64_t) { return true; }, f);
    else write_part<T>(p, it, [&](int64_t k) { return k >= lo && k < hi && k != p.skip; }, f);
  });
}

template <class T>
void set_typed(const IndexLoop& p) {
  write_typed<T>(p, [](T, T v) { return v; });
}

template <IndexReduce op, class T>
MT_INLINE T combine(T a, T b) {
  if constexpr (op == IndexReduce::add) return T(a + b);
  if constexpr (op == IndexReduce::mul) return T(a * b);
  // A NaN on either side stays.
  if constexpr (op == IndexReduce::amin) return b < a || b != b ? b : a;
  return b > a || b != b ? b : a;
}

template <IndexReduce op, class T>
void reduce_typed(const IndexLoop& p) {
  write_typed<T>(p, [](T a, T b) { return combine<op, T>(a, b); });
}

template <class T>
void reduce_op(IndexReduce op, const IndexLoop& p) {
  switch (op) {
    case IndexReduce::add:
      return reduce_typed<IndexReduce::add, T>(p);
    case IndexReduce::mul:
      return reduce_typed<IndexReduce::mul, T>(p);
    case IndexReduce::amin:
      return reduce_typed<IndexReduce::amin, T>(p);
    default:
      return reduce_typed<IndexReduce::amax, T>(p);
  }
}

}  // namespace

void index_check(const ElementIter& it, int64_t low, int64_t high, int64_t* found) {
  run_elementwise(it, [=](char* const* data, const int64_t* s, int64_t n) {
    in_range(data[0], s[0], n, low, high, found);
  });
}

void index_offsets(const ElementIter& it, int64_t size, int64_t stride, bool first) {
  run_elementwise(it, [=](char* const* data, const int64_t* s, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
      int64_t* to = reinterpret_cast<int64_t*>(data[0] + i * s[0]);
      int64_t k = wrap(at(data[1] + i * s[1]), size) * stride;
      *to = first ? k : *to + k;
    }
  });
}

void index_get(int64_t itemsize, const IndexLoop& loop) {
  if (loop.it.numel == 0 || get_rows(itemsize, loop)) return;
  switch (itemsize) {
    case 1:
      return get_typed<uint8_t>(loop);
    case 2:
      return get_typed<uint16_t>(loop);
    case 4:
      return get_typed<uint32_t>(loop);
    default:
      return get_typed<uint64_t>(loop);
  }
}

void index_set(int64_t itemsize, const IndexLoop& loop) {
  if (loop.it.numel == 0) return;
  switch (itemsize) {
    case 1:
      return set_typed<uint8_t>(loop);
    case 2:
      return set_typed<uint16_t>(loop);
    case 4:
      return set_typed<uint32_t>(loop);
    default:
      return set_typed<uint64_t>(loop);
  }
}

void index_reduce(DType dtype, IndexReduce op, const IndexLoop& loop) {
  if (loop.it.numel == 0) return;
  MT_SWITCH_INT_FLOAT(dtype, reduce_op<scalar_t>(op, loop))
  if (dtype != DType::Bool) return;
  // Bool: a sum is "or", a product "and".
  IndexReduce bits = op == IndexReduce::add   ? IndexReduce::amax
                     : op == IndexReduce::mul ? IndexReduce::amin
                                              : op;
  reduce_op<uint8_t>(bits, loop);
}

}  // namespace mt::cpu::MT_ISA
