// Loops over x [n, c, inner] by channel, for batch and group norm: elementwise with the channel of
// each element, and sums over a channel.
#pragma once
#include "cuda/core/divide.h"
#include "cuda/core/launch.h"
#include "cuda/core/row.h"

namespace mt::cuda {

// Division of any position; fast below 2^31.
struct PositionDivider {
  int64_t divisor;
  bool wide;
  Divider small;

  // Positions are below `end`.
  PositionDivider(int64_t d, int64_t end) : divisor(d), wide(end > 0x7fffffff || d > 0x7fffffff) {
    if (!wide) small = Divider(uint32_t(d > 0 ? d : 1));
  }
  __device__ __forceinline__ int64_t divide(int64_t i, int64_t* rest) const {
    if (wide) {
      *rest = i % divisor;
      return i / divisor;
    }
    uint32_t r;
    const uint32_t q = small.divide(uint32_t(i), &r);
    *rest = r;
    return q;
  }
};

// V neighbouring elements of one plane at a time, or single elements. The planes of a sample are
// its channels.
struct Planes {
  int64_t n, c, inner;
  int64_t pieces;  // of a plane
  PositionDivider piece, channel;

  Planes(int64_t n_, int64_t c_, int64_t inner_, int V)
      : n(n_),
        c(c_),
        inner(inner_),
        pieces(inner_ / V),
        piece(inner_ / V, n_ * c_ * (inner_ / V)),
        channel(c_, n_ * c_) {}
};

// f(i, sample, channel) for pieces that start at element i, over all of x.
template <int V, class F>
__device__ __forceinline__ void for_planes(const Planes& p, const F& f) {
  const int64_t total = p.n * p.c * p.pieces;
  for (int64_t j = thread_index(); j < total; j += thread_count()) {
    int64_t rest, ch;
    const int64_t plane = p.piece.divide(j, &rest), sample = p.channel.divide(plane, &ch);
    f(j * V, sample, ch);
  }
}

// Whether pieces of V elements stay within a plane and are aligned.
template <class T, class... P>
bool planes_aligned(int64_t inner, const P*... x) {
  return rows_aligned<T, 16 / sizeof(T)>(inner, x...);
}

}  // namespace mt::cuda
