// x[...] and x[...] = value, index_put, take, put.
#include "ops/dispatch.h"
#include "ops/index_loop.h"
#include "ops/index_parse.h"
#include "ops/masked_ops.h"

namespace mt {
namespace {

// Indices of several dims of x as one loop: `indices[d]` (or nothing) belongs to x's dim d. The
// result has the indices' common shape in the place of the first indexed dim where they are
// neighbours, else in front.
struct Advanced {
  Dims shape, x_strides, index_strides;
  uint32_t indexed = 0;  // the result's dims that the indices' shape became
  Tensor index;          // int64; of one dim, or elements of x over all of them
  int64_t step = 0, size = 0;

  Advanced(const Tensor& x, const Tensor* indices) {
    Dims common;
    int count = 0, first = -1, last = -1;
    for (int d = 0; d < x.dim(); d++) {
      if (!indices[d]) continue;
      check_index(indices[d], x.size(d), "index", d);
      common = count ? broadcast_indices(common, indices[d].sizes()) : indices[d].sizes();
      if (first < 0) first = d;
      last = d;
      count++;
    }
    bool adjacent = last - first + 1 == count;
    auto put_common = [&] {
      for (int64_t n : common) {
        indexed |= 1u << shape.n;
        shape.push(n);
        x_strides.push(0);
      }
    };
    if (!adjacent) put_common();
    for (int d = 0; d < x.dim(); d++) {
      if (adjacent && d == first) put_common();
      if (indices[d]) continue;
      shape.push(x.size(d));
      x_strides.push(x.stride(d));
    }
    int64_t bytes = int64_t(itemsize(x.dtype()));
    if (count == 1) {
      index = indices[first];
      step = x.stride(first) * bytes;
      size = x.size(first);
    } else {
      index = empty(common, DType::Int64, x.device());
      step = bytes;
      size = 1;
      bool begin = true;
      for (int d = first; d <= last; d++) {
        if (!indices[d]) continue;
        size += (x.size(d) - 1) * x.stride(d);
        MT_DISPATCH(x.device(), index.numel(), index_offsets,
                    make_iter(common, {&index, &indices[d]}), x.size(d), x.stride(d), begin);
        begin = false;
      }
    }
    index_strides.n = shape.n;
    for (int i = 0, k = 0; i < shape.n; i++)
      index_strides[i] = indexed >> i & 1 ? index.stride(k++) : 0;
  }

  static Dims broadcast_indices(const Dims& a, const Dims& b) {
    try {
      return broadcast_shapes(a, b, "index");
    } catch (const Error&) {
      fail(ErrorKind::Index,
           "shape mismatch: indexing tensors could not be broadcast together with shapes ", a, ", ",
           b);
    }
  }

  IndexLoop loop(const Tensor& x, const Tensor& y) const {
    return make_index_loop(shape, loop_operand(y, y.strides()), loop_operand(x, x_strides),
                           loop_operand(index, index_strides), indexed, step, size);
  }
};

Tensor get(const Tensor& x, const Tensor* indices) {
  Advanced a(x, indices);
  Tensor y = empty(a.shape, x.dtype(), x.device());
  if (y.numel()) run_index_get(y, a.loop(x, y));
  return y;
}

// `values` without the leading dims of size 1 that the place to write does not have.
Tensor fit_values(const Tensor& values, int ndim) {
  int extra = values.dim() - ndim;
  if (extra <= 0) return values;
  for (int i = 0; i < extra; i++)
    if (values.size(i) != 1) return values;
  Dims sizes = values.sizes(), strides = values.strides();
  for (int i = 0; i < extra; i++) sizes.erase(0), strides.erase(0);
  return as_strided(values, sizes, strides, values->offset);
}

void check_values(const Tensor& values, const Dims& shape) {
  bool fits = values.dim() <= shape.n;
  for (int i = 1; fits && i <= values.dim(); i++)
    fits = values.size(-i) == shape[shape.n - i] || values.size(-i) == 1;
  MT_CHECK(fits, "shape mismatch: value tensor of shape ", values.sizes(),
           " cannot be broadcast to indexing result of shape ", shape);
}

void put(const Tensor& x, const Tensor* indices, const Tensor& given, bool accumulate) {
  check_no_overlap(x, "index_put_");
  Advanced a(x, indices);
  Tensor values = fit_values(given, a.shape.n);
  check_values(values, a.shape);
  if (a.shape.product() == 0) return;
  DType dtype = accumulate ? accumulate_type(x.dtype()) : x.dtype();
  Tensor v = expand_to(values_for(values, x, dtype), a.shape, "index_put_");
  if (!accumulate) {
    run_index_set(x, a.loop(x, v));
  } else if (dtype == x.dtype()) {
    IndexLoop loop = a.loop(x, v);
    MT_DISPATCH(x.device(), loop.it.numel, index_reduce, dtype, IndexReduce::add, loop);
  } else {
    Tensor wide = to_dtype(x, dtype);
    Advanced b(wide, indices);
    IndexLoop loop = b.loop(wide, v);
    MT_DISPATCH(x.device(), loop.it.numel, index_reduce, dtype, IndexReduce::add, loop);
    copy_into(x, wide);
  }
}

struct IndexList {
  Tensor tensor[kMaxDims];

  // None, int64 ... or bool masks, as index_put takes them.
  IndexList(const Tensor& x, const std::vector<std::optional<Tensor>>& given, const char* op) {
    int d = 0;
    MT_CHECK_INDEX(int(given.size()) <= x.dim(), op,
                   "(): too many indices for tensor of dimension ", x.dim(), " (got ", given.size(),
                   ")");
    for (const std::optional<Tensor>& t : given) {
      if (t && (t->dtype() == DType::Bool || t->dtype() == DType::UInt8)) {
        Tensor places = nonzero_of_mask(to_device(to_dtype(*t, DType::Bool), x.device()), true);
        MT_CHECK_INDEX(d + t->dim() <= x.dim(), op, "(): too many indices for tensor of dimension ",
                       x.dim());
        for (int i = 0; i < t->dim(); i++) {
          MT_CHECK_INDEX(t->size(i) == x.size(d), "The shape of the mask ", t->sizes(),
                         " at index ", i, " does not match the shape of the indexed tensor ",
                         x.sizes(), " at index ", d);
          tensor[d++] = as_strided(places, {places.size(1)}, {1}, i * places.size(1));
        }
      } else {
        MT_CHECK_INDEX(d < x.dim(), op, "(): too many indices for tensor of dimension ", x.dim());
        tensor[d++] = t ? to_device(index_tensor(*t, op), x.device()) : Tensor();
      }
    }
  }
};

Tensor index(const Tensor& x, const std::vector<std::optional<Tensor>>& indices) {
  IndexList list(x, indices, "index");
  return get(x, list.tensor);
}

void index_put_(const Tensor& x, const std::vector<std::optional<Tensor>>& indices,
                const Tensor& values, bool accumulate) {
  IndexList list(x, indices, "index_put_");
  MT_CHECK(values.dtype() == x.dtype(),
           "Index put requires the source and destination dtypes match, got ", x.dtype(),
           " for the destination and ", values.dtype(), " for the source.");
  check_same_device(x, values, "index_put_");
  put(x, list.tensor, values, accumulate);
  x.bump_version();
}

py::object object(Tensor t) { return py::reinterpret_steal<py::object>(to_python(std::move(t))); }

py::object index_objects(const Tensor& x, const ParsedIndex& p) {
  if (!p.advanced) return py::none();
  py::tuple list(size_t(p.sizes.n));
  for (int i = 0; i < p.sizes.n; i++) list[size_t(i)] = object(p.index[i]);
  (void)x;
  return list;
}

// x[index]. Where autograd must record it: (view or None where that is x itself, the basic part of
// the index, the advanced part or None).
py::object getitem(const Tensor& x, py::handle index) {
  bool grad = grad_mode.enabled && x.requires_grad();
  if (!grad)
    if (const Tensor* mask = full_mask(x, index.ptr()))
      return object(masked_select(x, to_device(*mask, x.device())));
  ParsedIndex p;
  parse_index(x, index.ptr(), p);
  Tensor view = p.view(x);
  if (!grad) return object(p.advanced ? get(view, p.index) : std::move(view));
  bool same = p.advanced && p.whole;
  if (!same) view->requires_grad = true;
  return py::make_tuple(same ? py::none() : object(view),
                        same ? py::none() : basic_part(x, index.ptr()), index_objects(x, p));
}

// The parts of an index as getitem gives them, without the view.
py::object parse(const Tensor& x, py::handle index) {
  ParsedIndex p;
  parse_index(x, index.ptr(), p);
  bool same = p.advanced && p.whole;
  return py::make_tuple(same ? py::none() : basic_part(x, index.ptr()), index_objects(x, p));
}

bool same_elements(const Tensor& a, const Tensor& b) {
  return a->storage == b->storage && a->offset == b->offset && a.dtype() == b.dtype() &&
         a.same_shape(b) && a.strides() == b.strides();
}

void setitem(const Tensor& x, py::handle index, py::handle value) {
  PyObject* o = value.ptr();
  Tensor v = is_tensor(o)   ? FromPython<Tensor>::get(o)
             : is_number(o) ? scalar_tensor(scalar_from_python(o), x.dtype(), x.device())
                            : tensor_from_object(o);
  if (v.dim() == 0)
    if (const Tensor* mask = full_mask(x, index.ptr())) {
      check_no_overlap(x, "__setitem__");
      masked_fill_into(x, x, to_device(*mask, x.device()),
                       to_device(to_dtype(v, x.dtype()), x.device()));
      x.bump_version();
      return;
    }
  ParsedIndex p;
  parse_index(x, index.ptr(), p);
  Tensor view = p.view(x);
  if (p.advanced) {
    put(view, p.index, to_device(v, x.device()), false);
  } else {
    if (same_elements(view, v)) return;  // x[i] += y: done in place already
    check_no_overlap(view, "__setitem__");
    v = fit_values(v, view.dim());
    check_values(v, view.sizes());
    if (partly_overlaps(view, v)) v = values_for(v, view, v.dtype());
    copy_into(view, v);
  }
  x.bump_version();
}

// Whether a basic index of x names just the elements of `value`, in its own memory.
bool is_item(const Tensor& x, py::handle index, const Tensor& value) {
  ParsedIndex p;
  parse_index(x, index.ptr(), p);
  return !p.advanced && same_elements(p.view(x), value);
}

// x's elements in row-major order, chosen by `index`; x must be contiguous.
IndexLoop flat_loop(const Tensor& y, const Tensor& x, const Tensor& index) {
  int64_t bytes = int64_t(itemsize(x.dtype()));
  Dims zeros = index.sizes();
  for (int i = 0; i < zeros.n; i++) zeros[i] = 0;
  return make_index_loop(index.sizes(), loop_operand(y, y.strides()), loop_operand(x, zeros),
                         loop_operand(index, index.strides()), ~0u, bytes, x.numel());
}

Tensor take(const Tensor& x, const Tensor& given) {
  Tensor from = contiguous(x), index = index_tensor(given, "take");
  Tensor y = empty(index.sizes(), x.dtype(), x.device());
  IndexLoop loop = flat_loop(y, from, index);
  if (y.numel()) run_checked_get(y, loop, "take", 0, false);
  return y;
}

void put_(const Tensor& x, const Tensor& given, const Tensor& source, bool accumulate) {
  check_no_overlap(x, "put_");
  Tensor index = contiguous(index_tensor(given, "put_"));
  MT_CHECK(source.dtype() == x.dtype(), "put_(): expected self and source of the same dtype, got ",
           x.dtype(), " and ", source.dtype());
  MT_CHECK(source.numel() == index.numel(),
           "put_(): expected source and index of the same number of ", "elements, got ",
           source.numel(), " and ", index.numel());
  DType dtype = accumulate ? accumulate_type(x.dtype()) : x.dtype();
  Tensor to = contiguous(to_dtype(x, dtype)), v = contiguous(values_for(source, x, dtype));
  v = as_strided(v, index.sizes(), contiguous_strides(index.sizes()), v->offset);
  check_index(index, x.numel(), "put_", 0);
  IndexLoop loop = flat_loop(v, to, index);
  if (index.numel() == 0) return;
  if (accumulate)
    MT_DISPATCH(x.device(), loop.it.numel, index_reduce, dtype, IndexReduce::add, loop);
  else run_index_set(to, loop);
  if (to.impl() != x.impl()) copy_into(x, to);
  x.bump_version();
}

}  // namespace

MT_BIND(index) {
  def_view<&getitem>(m, "getitem");
  def_plain<&parse>(m, "parse_index");
  def_plain<&setitem>(m, "setitem");
  def_plain<&is_item>(m, "is_item");
  def_op<&index, kAnyDevice>(m, "index");
  def_plain<&index_put_, kAnyDevice>(m, "index_put_");
  def_op<&take>(m, "take");
  def_plain<&put_>(m, "put_");
}

}  // namespace mt
