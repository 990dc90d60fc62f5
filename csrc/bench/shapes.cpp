#include "bench/shapes.h"

namespace mt::bench {
namespace {

void set_plane(int64_t (&sizes)[3], int64_t leading, int64_t side) {
  sizes[0] = leading;
  sizes[1] = sizes[2] = side;
}

}  // namespace

ConvParams conv_params(int64_t batch, int64_t c, int64_t o, int64_t size, int64_t kernel,
                       int64_t stride, int64_t groups) {
  ConvParams p{batch, c, o, groups, {}, {}, {}, {}, {}, {}};
  set_plane(p.in, 1, size);
  set_plane(p.kernel, 1, kernel);
  set_plane(p.out, 1, (size + kernel / 2 * 2 - kernel) / stride + 1);
  set_plane(p.stride, 1, stride);
  set_plane(p.padding, 0, kernel / 2);
  set_plane(p.dilation, 1, 1);
  return p;
}

PoolParams pool_params(int64_t planes, int64_t size, int64_t kernel, int64_t stride,
                       int64_t padding) {
  PoolParams p{planes, {}, {}, {}, {}, {}, {}, true, 0};
  set_plane(p.in, 1, size);
  set_plane(p.kernel, 1, kernel);
  set_plane(p.out, 1, (size + 2 * padding - kernel) / stride + 1);
  set_plane(p.stride, 1, stride);
  set_plane(p.padding, 0, padding);
  set_plane(p.dilation, 1, 1);
  return p;
}

}  // namespace mt::bench
