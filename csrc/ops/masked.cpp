#include "ops/masked.h"

#include "ops/dispatch.h"
#include "ops/masked_ops.h"

namespace mt {
namespace {

struct Chosen {
  int64_t chunk;
  Tensor starts;
  int64_t count;
};

// The number of true elements before every chunk of a contiguous mask.
Chosen choose(const Tensor& mask) {
  Chosen c;
  c.chunk = mask.device().is_cpu() ? kMaskChunk : kMaskChunkCuda;
  int64_t n = mask.numel(), chunks = ceil_div(n, c.chunk);
  c.starts = empty({chunks + 1}, DType::Int64, mask.device());
  int64_t* starts = c.starts.data<int64_t>();
  MT_DISPATCH(mask.device(), n, mask_count, mask.data<bool>(), n, c.chunk, starts);
  MT_DISPATCH(mask.device(), chunks, running_starts, starts, chunks);
  c.count = *to_device(as_strided(c.starts, {1}, {1}, chunks), {}).data<int64_t>();
  return c;
}

void check_mask(const Tensor& mask, const char* op) {
  MT_CHECK(mask.dtype() == DType::Bool, op, "(): expected a mask of dtype bool, got ",
           mask.dtype());
}

Tensor masked_fill_op(const Tensor& x, const Tensor& mask, const Operand& value) {
  check_mask(mask, "masked_fill");
  MT_CHECK(!value.tensor || value.tensor->dim() == 0,
           "masked_fill(): only supports a 0-dimensional value tensor, but got tensor with ",
           value.tensor ? value.tensor->dim() : 0, " dimension(s)");
  Dims shape = broadcast_shapes(x.sizes(), mask.sizes(), "masked_fill");
  Tensor v = value.tensor ? to_dtype(*value.tensor, x.dtype())
                          : scalar_tensor(value.scalar, x.dtype(), {});
  Tensor y = empty(shape, x.dtype(), x.device());
  masked_fill_into(y, x, mask, v);
  return y;
}

void masked_fill_(const Tensor& x, const Tensor& mask, const Operand& value) {
  check_mask(mask, "masked_fill_");
  check_no_overlap(x, "masked_fill_");
  MT_CHECK(!value.tensor || value.tensor->dim() == 0,
           "masked_fill_(): only supports a 0-dimensional value tensor, but got tensor with ",
           value.tensor ? value.tensor->dim() : 0, " dimension(s)");
  Tensor v = value.tensor ? to_dtype(*value.tensor, x.dtype())
                          : scalar_tensor(value.scalar, x.dtype(), {});
  masked_fill_into(x, x, expand_to(mask, x.sizes(), "masked_fill_"), v);
  x.bump_version();
}

void masked_scatter_(const Tensor& x, const Tensor& mask, const Tensor& source) {
  check_mask(mask, "masked_scatter_");
  check_no_overlap(x, "masked_scatter_");
  MT_CHECK(source.dtype() == x.dtype(),
           "masked_scatter_(): expected self and source of the same dtype, got ", x.dtype(),
           " and ", source.dtype());
  Tensor m = contiguous(expand_to(mask, x.sizes(), "masked_scatter_")), src = contiguous(source);
  Chosen c = choose(m);
  MT_CHECK(c.count <= src.numel(), "masked_scatter_(): the number of elements of source (",
           src.numel(), ") is smaller than the number of true elements of the mask (", c.count,
           ")");
  Tensor y = contiguous(x);
  MT_DISPATCH(x.device(), x.numel(), masked_scatter, int64_t(itemsize(x.dtype())), y.data(),
              m.data<bool>(), m.numel(), c.chunk, c.starts.data<int64_t>(), src.data());
  if (!x.is_contiguous()) copy_into(x, y);
  x.bump_version();
}

Tensor nonzero(const Tensor& x) { return nonzero_of_mask(to_dtype(x, DType::Bool), false); }

std::vector<Tensor> nonzero_columns(const Tensor& x) {
  // A 0-dim tensor counts as one of a single element.
  Tensor mask = to_dtype(x, DType::Bool);
  if (mask.dim() == 0) mask = as_strided(mask, {1}, {1}, mask->offset);
  Tensor places = nonzero_of_mask(mask, true);
  std::vector<Tensor> columns;
  for (int i = 0; i < mask.dim(); i++)
    columns.push_back(as_strided(places, {places.size(1)}, {1}, i * places.size(1)));
  return columns;
}

Tensor masked_select_op(const Tensor& x, const Tensor& mask) {
  check_mask(mask, "masked_select");
  return masked_select(x, mask);
}

}  // namespace

Tensor nonzero_of_mask(const Tensor& mask, bool columns) {
  Tensor m = contiguous(mask);
  Chosen c = choose(m);
  int ndim = m.dim();
  MaskShape shape{ndim, {}};
  for (int d = 0; d < ndim; d++) shape.sizes[d] = m.size(d);
  Tensor out = columns ? empty({ndim, c.count}, DType::Int64, m.device())
                       : empty({c.count, ndim}, DType::Int64, m.device());
  if (out.numel())
    MT_DISPATCH(m.device(), m.numel(), mask_places, m.data<bool>(), m.numel(), c.chunk,
                c.starts.data<int64_t>(), shape, out.data<int64_t>(), columns ? 1 : ndim,
                columns ? c.count : 1);
  return out;
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  Dims shape = broadcast_shapes(x.sizes(), mask.sizes(), "masked_select");
  Tensor m = contiguous(expand_to(mask, shape, "masked_select"));
  Tensor from = contiguous(expand_to(x, shape, "masked_select"));
  Chosen c = choose(m);
  Tensor y = empty({c.count}, x.dtype(), x.device());
  MT_DISPATCH(x.device(), m.numel(), masked_select, int64_t(itemsize(x.dtype())), from.data(),
              m.data<bool>(), m.numel(), c.chunk, c.starts.data<int64_t>(), y.data());
  return y;
}

void masked_fill_into(const Tensor& y, const Tensor& x, const Tensor& mask, const Tensor& value) {
  if (y.numel() == 0) return;
  ElementIter it = make_iter(y.sizes(), {&y, &x, &mask});
  it.nargs = 4;
  it.data[3] = value.data<char>();
  for (int d = 0; d < it.ndim; d++) it.strides[d][3] = 0;
  MT_DISPATCH(y.device(), y.numel(), masked_fill, int64_t(itemsize(y.dtype())), it,
              value.device().is_cpu());
}

MT_BIND(masked) {
  def_op<&masked_fill_op>(m, "masked_fill");
  def_plain<&masked_fill_>(m, "masked_fill_");
  def_plain<&masked_scatter_>(m, "masked_scatter_");
  def_op<&masked_select_op>(m, "masked_select");
  def_plain<&nonzero>(m, "nonzero");
  def_plain<&nonzero_columns>(m, "nonzero_columns");
}

}  // namespace mt
