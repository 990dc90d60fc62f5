// How an op's one contiguous loop meets operands of any strides and dtypes.
//
// A chunk is walked in runs. An operand whose elements lie in a row and have the loop's own type is
// passed to the loop as it is; any other is gathered, and converted, into a block of kBlock
// elements before the loop (inputs) or scattered from one after it (outputs). Where the innermost
// dim is long, a run is a part of it; where it is short, a block spans several rows; where an input
// runs along dim 1 (a transposed matrix), a block is a tile of both dims, so that every cache line
// is read once.
#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kBlock = 512;
// Inner dims from this length on are walked row by row.
constexpr int64_t kLongRow = 64;
// A tile: a cache line of float32 along dim 1.
constexpr int64_t kTileRows = 16, kTileCols = kBlock / kTileRows;

struct Side {
  Convert convert;      // null where memory has the loop's type
  int64_t size, width;  // bytes of an element in memory and in the loop
  bool flat;            // elements lie in a row over all dims, in the loop's type
};

struct Block {
  alignas(64) char values[kMaxOperands][kBlock * 8];
  alignas(64) char raw[kBlock * 8];
};

// n elements of one row to contiguous values of the loop's type.
void read_row(const Side& s, char* to, char* raw, const char* from, int64_t stride, int64_t n) {
  if (stride == 0 && n > 1) {
    char one[8];
    if (s.convert) s.convert(one, from, 1);
    return repeat(s.width, to, s.convert ? one : from, n);
  }
  if (!s.convert) return gather(s.size, to, from, stride, n);
  if (stride != s.size && n > 1) {
    gather(s.size, raw, from, stride, n);
    from = raw;
  }
  s.convert(to, from, n);
}

void write_row(const Side& s, char* to, int64_t stride, char* raw, const char* from, int64_t n) {
  if (!s.convert) return scatter(s.size, to, stride, from, n);
  if (stride == s.size || n == 1) return s.convert(to, from, n);
  s.convert(raw, from, n);
  scatter(s.size, to, stride, raw, n);
}

// Visits the rows of operand k in [begin, begin + n): f(pointer, elements done, elements of the
// row).
template <class F>
MT_INLINE void rows(const ElementIter& it, int k, int64_t begin, int64_t n, const F& f) {
  int64_t index[kMaxIterDims];
  char* p = it.data[k];
  int64_t rest = begin;
  for (int d = 0; d < it.ndim; d++) {
    index[d] = rest % it.shape[d];
    rest /= it.shape[d];
    p += index[d] * it.strides[d][k];
  }
  for (int64_t done = 0;;) {
    int64_t m = it.shape[0] - index[0];
    if (m > n - done) m = n - done;
    f(p, done, m);
    done += m;
    if (done >= n) return;
    p -= index[0] * it.strides[0][k];
    index[0] = 0;
    for (int d = 1; d < it.ndim; d++) {
      p += it.strides[d][k];
      if (++index[d] < it.shape[d]) break;
      p -= index[d] * it.strides[d][k];
      index[d] = 0;
    }
  }
}

// Short rows of elements that need no conversion, without a call per row.
template <class T>
void read_rows(const ElementIter& it, int k, int64_t begin, int64_t n, char* to) {
  T* y = reinterpret_cast<T*>(to);
  int64_t stride = it.strides[0][k];
  rows(it, k, begin, n, [&](const char* p, int64_t, int64_t m) {
    const T* x = reinterpret_cast<const T*>(p);
    if (stride == 0) {
      const T v = *x;
      for (int64_t i = 0; i < m; i++) y[i] = v;
    } else if (stride == int64_t(sizeof(T))) {
      for (int64_t i = 0; i < m; i++) y[i] = x[i];
    } else {
      for (int64_t i = 0; i < m; i++) {
        y[i] = *reinterpret_cast<const T*>(p + i * stride);
        __asm__ volatile("");
      }
    }
    y += m;
  });
}

// A tile of an operand that runs along dim 1, in the order of dim 0.
template <class T>
MT_INLINE void turn(char* to, const char* from, int64_t stride, int64_t rows, int64_t cols) {
  T* y = reinterpret_cast<T*>(to);
  for (int64_t j = 0; j < cols; j++) {
    const T* x = reinterpret_cast<const T*>(from + j * stride);
    for (int64_t i = 0; i < rows; i++) y[i * cols + j] = x[i];
  }
}
void turn(int64_t size, char* to, const char* from, int64_t stride, int64_t rows, int64_t cols) {
  switch (size) {
    case 1:
      return turn<uint8_t>(to, from, stride, rows, cols);
    case 2:
      return turn<uint16_t>(to, from, stride, rows, cols);
    case 4:
      return turn<uint32_t>(to, from, stride, rows, cols);
    default:
      return turn<uint64_t>(to, from, stride, rows, cols);
  }
}

struct Runner {
  const ElementIter& it;
  const LoopCall& call;
  Side sides[kMaxOperands];

  // Rows of a long innermost dim: [data, data + n) of one row.
  void long_row(Block& block, char* const* data, int64_t n) const {
    char* now[kMaxOperands];
    bool whole = true;  // every operand is passed as it is
    uint32_t direct = 0, filled = 0;
    for (int k = 0; k < it.nargs; k++) {
      now[k] = data[k];
      if (!sides[k].convert && it.strides[0][k] == sides[k].size) {
        direct |= 1u << k;
        continue;
      }
      whole = false;
      now[k] = block.values[k];
      if (it.strides[0][k] == 0 && k >= call.outputs) {
        read_row(sides[k], now[k], block.raw, data[k], 0, n < kBlock ? n : kBlock);
        filled |= 1u << k;
      }
    }
    if (whole) return call.loop(now, n, call.params);
    for (int64_t done = 0; done < n; done += kBlock) {
      int64_t m = n - done < kBlock ? n - done : kBlock;
      for (int k = 0; k < it.nargs; k++) {
        const Side& s = sides[k];
        if (direct >> k & 1) now[k] = data[k] + done * s.size;
        else if (k >= call.outputs && !(filled >> k & 1))
          read_row(s, block.values[k], block.raw, data[k] + done * it.strides[0][k],
                   it.strides[0][k], m);
      }
      call.loop(now, m, call.params);
      for (int k = 0; k < call.outputs; k++)
        if (!(direct >> k & 1))
          write_row(sides[k], data[k] + done * it.strides[0][k], it.strides[0][k], block.raw,
                    now[k], m);
    }
  }

  // Blocks that span several rows of a short innermost dim.
  void short_rows(Block& block, int64_t begin, int64_t n) const {
    char* now[kMaxOperands];
    for (int k = 0; k < it.nargs; k++) {
      const Side& s = sides[k];
      now[k] = s.flat ? it.data[k] + begin * s.size : block.values[k];
      if (s.flat || k < call.outputs) continue;
      if (!s.convert && s.size == 4) {
        read_rows<uint32_t>(it, k, begin, n, now[k]);
        continue;
      }
      if (!s.convert && s.size == 8) {
        read_rows<uint64_t>(it, k, begin, n, now[k]);
        continue;
      }
      rows(it, k, begin, n, [&](const char* p, int64_t done, int64_t m) {
        read_row(s, now[k] + done * s.width, block.raw, p, it.strides[0][k], m);
      });
    }
    call.loop(now, n, call.params);
    for (int k = 0; k < call.outputs; k++) {
      const Side& s = sides[k];
      if (s.flat) continue;
      rows(it, k, begin, n, [&](char* p, int64_t done, int64_t m) {
        write_row(s, p, it.strides[0][k], block.raw, now[k] + done * s.width, m);
      });
    }
  }

  bool turned(int k) const {
    return k >= call.outputs && it.strides[1][k] == sides[k].size &&
           it.strides[0][k] > sides[k].size;
  }
  bool in_tiles() const {
    if (it.ndim < 2 || it.shape[0] < kTileRows || it.shape[1] < kTileRows) return false;
    for (int k = 0; k < it.nargs; k++)
      if (turned(k)) return true;
    return false;
  }

  // The tile of `rows` x `cols` elements at data.
  void tile(Block& block, char* const* data, int64_t rows, int64_t cols) const {
    char* now[kMaxOperands];
    for (int k = 0; k < it.nargs; k++) {
      const Side& s = sides[k];
      now[k] = block.values[k];
      if (k < call.outputs) continue;
      if (turned(k)) {
        turn(s.size, s.convert ? block.raw : now[k], data[k], it.strides[0][k], rows, cols);
        if (s.convert) s.convert(now[k], block.raw, rows * cols);
        continue;
      }
      for (int64_t i = 0; i < rows; i++)
        read_row(s, now[k] + i * cols * s.width, block.raw, data[k] + i * it.strides[1][k],
                 it.strides[0][k], cols);
    }
    call.loop(now, rows * cols, call.params);
    for (int k = 0; k < call.outputs; k++)
      for (int64_t i = 0; i < rows; i++)
        write_row(sides[k], data[k] + i * it.strides[1][k], it.strides[0][k], block.raw,
                  now[k] + i * cols * sides[k].width, cols);
  }

  void run_tiles() const {
    const int64_t bands = ceil_div(it.shape[1], kTileRows);  // of one plane of dims 0 and 1
    const int64_t planes = it.numel / (it.shape[0] * it.shape[1]);
    const int64_t grain = ceil_div(call.grain, kTileRows * it.shape[0]);
    parallel_for(planes * bands, grain, [&](int64_t begin, int64_t end) {
      Block block;
      for (int64_t band = begin; band < end; band++) {
        const int64_t i0 = band % bands * kTileRows;
        const int64_t rows = it.shape[1] - i0 < kTileRows ? it.shape[1] - i0 : kTileRows;
        char* data[kMaxOperands];
        for (int k = 0; k < it.nargs; k++) data[k] = it.data[k] + i0 * it.strides[1][k];
        to_plane(it, band / bands, it.nargs, data);
        for (int64_t j = 0; j < it.shape[0]; j += kTileCols) {
          tile(block, data, rows, it.shape[0] - j < kTileCols ? it.shape[0] - j : kTileCols);
          for (int k = 0; k < it.nargs; k++) data[k] += kTileCols * it.strides[0][k];
        }
      }
    });
  }

  void chunk(int64_t begin, int64_t end) const {
    Block block;
    if (it.shape[0] >= kLongRow || it.ndim == 1) {
      walk(it, begin, end,
           [&](char* const* data, const int64_t*, int64_t n) { long_row(block, data, n); });
    } else {
      for (; begin < end; begin += kBlock)
        short_rows(block, begin, end - begin < kBlock ? end - begin : kBlock);
    }
  }
};

}  // namespace

void run_loop(const ElementIter& it, const OperandTypes& types, const LoopCall& call) {
  if (it.numel <= 0) return;
  Runner runner{it, call, {}};
  bool all_flat = true;
  for (int k = 0; k < it.nargs; k++) {
    Side& s = runner.sides[k];
    DType memory = types.t[k], compute = call.compute[k];
    s.size = int64_t(itemsize(memory));
    s.width = int64_t(itemsize(compute));
    s.convert = memory == compute  ? nullptr
                : k < call.outputs ? store_converter(compute, memory)
                                   : load_converter(memory, compute);
    s.flat = !s.convert;
    int64_t step = s.size;
    for (int d = 0; d < it.ndim && s.flat; d++) {
      s.flat = it.strides[d][k] == step;
      step *= it.shape[d];
    }
    all_flat = all_flat && s.flat;
  }
  if (all_flat && it.numel <= call.grain) return call.loop(it.data, it.numel, call.params);
  if (all_flat) {
    parallel_for(it.numel, call.grain, [&](int64_t begin, int64_t end) {
      char* now[kMaxOperands];
      for (int k = 0; k < it.nargs; k++) now[k] = it.data[k] + begin * runner.sides[k].size;
      call.loop(now, end - begin, call.params);
    });
    return;
  }
  if (runner.in_tiles()) return runner.run_tiles();
  parallel_for(it.numel, call.grain, [&](int64_t begin, int64_t end) { runner.chunk(begin, end); });
}

}  // namespace mt::cpu::MT_ISA
