#include "ops/vision.h"

#include "ops/dispatch.h"

namespace mt {
namespace {

GridParams params_of(const Tensor& x, const Tensor& grid, int mode, int padding, bool align) {
  MT_CHECK(x.dim() == 4 || x.dim() == 5,
           "grid_sample(): expected 4D or 5D input, but got input of size ", x.sizes());
  MT_CHECK(x.dim() == grid.dim(),
           "grid_sample(): expected grid and input to have same number of "
           "dimensions, but got input with sizes ",
           x.sizes(), " and grid with sizes ", grid.sizes());
  GridParams p = {};
  p.nd = x.dim() - 2;
  MT_CHECK(grid.size(-1) == p.nd, "grid_sample(): expected grid to have size ", p.nd,
           " in last dimension, but got grid with sizes ", grid.sizes());
  MT_CHECK(x.size(0) == grid.size(0),
           "grid_sample(): expected grid and input to have same batch "
           "size, but got input with sizes ",
           x.sizes(), " and grid with sizes ", grid.sizes());
  MT_CHECK(x.dtype() == grid.dtype(),
           "grid_sample(): expected input and grid to have same dtype, but "
           "input has ",
           x.dtype(), " and grid has ", grid.dtype());
  check_floating(x, "grid_sample", "input");
  MT_CHECK(GridMode(mode) != GridMode::bicubic || p.nd == 2,
           "grid_sample(): bicubic interpolation only supports 4D input, but got ", x.sizes());
  p.batch = x.size(0), p.c = x.size(1);
  p.mode = GridMode(mode), p.padding = GridPadding(padding), p.align_corners = align;
  for (int d = 0; d < 3; d++) p.in[d] = p.out[d] = 1;
  for (int i = 0; i < p.nd; i++) {
    p.in[3 - p.nd + i] = x.size(2 + i);
    p.out[3 - p.nd + i] = grid.size(1 + i);
    MT_CHECK(x.size(2 + i) > 0,
             "grid_sample(): expected input to have non-empty spatial dimensions, "
             "but got input of size ",
             x.sizes());
  }
  return p;
}

DType compute_type(DType t) { return t == DType::Float64 ? t : DType::Float32; }

Tensor grid_sample(const Tensor& x, const Tensor& grid, int mode, int padding, bool align) {
  const GridParams p = params_of(x, grid, mode, padding, align);
  const DType t = compute_type(x.dtype());
  const Tensor xc = contiguous(to_dtype(x, t)), gc = contiguous(to_dtype(grid, t));
  Dims sizes{p.batch, p.c};
  for (int i = 0; i < p.nd; i++) sizes.push(grid.size(1 + i));
  Tensor y = empty(sizes, t, x.device());
  if (y.numel())
    MT_DISPATCH(x.device(), y.numel() * 8, grid_sample_forward, t, p, xc.data(), gc.data(),
                y.data());
  return to_dtype(y, x.dtype());
}

std::tuple<Tensor, Tensor> grid_sample_backward(const Tensor& dy, const Tensor& x,
                                                const Tensor& grid, bool need_x, bool need_grid,
                                                int mode, int padding, bool align) {
  const GridParams p = params_of(x, grid, mode, padding, align);
  const DType t = compute_type(x.dtype());
  const Tensor g = contiguous(to_dtype(dy, t)), xc = contiguous(to_dtype(x, t));
  const Tensor gc = contiguous(to_dtype(grid, t));
  Tensor dx, dgrid;
  if (need_x) dx = empty(x.sizes(), t, x.device());
  if (need_grid) dgrid = empty(grid.sizes(), t, x.device());
  MT_DISPATCH(x.device(), g.numel() * 8, grid_sample_backward, t, p, g.data(), xc.data(), gc.data(),
              dx ? dx.data() : nullptr, dgrid ? dgrid.data() : nullptr);
  return {dx ? to_dtype(dx, x.dtype()) : dx, dgrid ? to_dtype(dgrid, x.dtype()) : dgrid};
}

}  // namespace

MT_BIND(vision) {
  def_op<&grid_sample>(m, "grid_sample");
  def_raw<&grid_sample_backward>(m, "grid_sample_backward");
}

}  // namespace mt
