#include "ops/attention.h"

#include <cstdlib>

#include "ops/dispatch.h"
#include "ops/hidden.h"

namespace mt {
namespace {

constexpr const char* kName = "scaled_dot_product_attention";

// For tests and measurements.
AttentionKernel chosen_kernel = AttentionKernel::any;
void choose_kernel(int64_t kernel) { chosen_kernel = AttentionKernel(kernel); }

// [..., rows, columns] as [batch, heads, rows, columns], with contiguous columns.
Tensor four_dims(const Tensor& x) {
  Dims sizes = x.sizes(), strides = x.strides();
  Tensor y = x;
  if (x.dim() > 4) {
    y = contiguous(x);
    int64_t batch = 1;
    for (int i = 0; i + 3 < x.dim(); i++) batch *= x.size(i);
    sizes = {batch, x.size(-3), x.size(-2), x.size(-1)};
    strides = contiguous_strides(sizes);
  }
  while (sizes.n < 4) {
    sizes.insert(0, 1);
    strides.insert(0, 0);
  }
  return as_strided(y, sizes, strides, y->offset);
}
Tensor with_contiguous_rows(const Tensor& x) {
  return x.size(-1) <= 1 || x.stride(-1) == 1 ? x : contiguous(x);
}
// The stride of a dim of one element is any number: 0 keeps addresses aligned.
HeadStrides strides_of(const Tensor& x) {
  auto of = [&](int dim) { return x.size(dim) > 1 ? x.stride(dim) : 0; };
  return {of(0), of(1), of(2)};
}
// What the tensor cores' kernels read: rows of x, [batch, heads, rows, columns], at multiples of 16
// bytes.
Tensor with_aligned_rows(const Tensor& x) {
  const HeadStrides at = strides_of(x);
  if (at.batch % 8 == 0 && at.head % 8 == 0 && at.row % 8 == 0 &&
      reinterpret_cast<uintptr_t>(x.data()) % 16 == 0)
    return x;
  Tensor y = empty(x.sizes(), x.dtype(), x.device());
  copy_into(y, x);
  return y;
}

// A result [batch, heads, rows, columns] whose heads lie inside of its rows where x's do, as they
// do after view(b, t, h, d).transpose(1, 2).
Tensor shaped_like(const Tensor& x, int64_t rows, int64_t columns) {
  const int64_t b = x.size(0), h = x.size(1);
  if (x.stride(1) >= x.stride(2) || h == 1)
    return empty({b, h, rows, columns}, x.dtype(), x.device());
  return empty_strided({b, h, rows, columns}, {rows * h * columns, columns, h * columns, 1},
                       x.dtype(), x.device());
}

struct Prepared {
  Tensor q, k, v, mask;
  Dims lead;  // the leading dims of the result
  AttentionArgs args;
  bool tensor_cores;  // 16-bit operands stay what they are

  Prepared(const Tensor& query, const Tensor& key, const Tensor& value,
           const std::optional<Tensor>& attn_mask, bool causal, double scale, bool gqa) {
    check_floating(query, kName, "query");
    MT_CHECK(query.dtype() == key.dtype() && query.dtype() == value.dtype(), kName,
             "(): Expected query, key, and value to have the same dtype, but got query.dtype: ",
             query.dtype(), " key.dtype: ", key.dtype(), " and value.dtype: ", value.dtype(),
             " instead.");
    auto shapes = [&] {
      return concat("query ", query.sizes(), ", key ", key.sizes(), ", value ", value.sizes());
    };
    MT_CHECK(query.dim() >= 2 && key.dim() >= 2 && value.dim() >= 2, kName,
             "(): Expected query, key, and value to all be at least 2 dimensional, but got ",
             shapes());
    MT_CHECK(query.size(-1) == key.size(-1) && key.size(-2) == value.size(-2), kName,
             "(): Expected query [..., L, E], key [..., S, E] and value [..., S, Ev], but got ",
             shapes());
    auto leading = [](const Tensor& x) { return Dims(x->sizes, x.dim() - 2); };
    args.queries = query.size(-2);
    args.keys = key.size(-2);
    args.width = query.size(-1);
    args.value_width = value.size(-1);
    tensor_cores =
        itemsize(query.dtype()) == 2 && !query.device().is_cpu() && args.takes_tensor_cores();
    const DType dtype =
        tensor_cores || query.dtype() == DType::Float64 ? query.dtype() : DType::Float32;
    Dims q_lead = leading(query), kv_lead = broadcast_shapes(leading(key), leading(value), kName);
    int64_t group = 1;
    if (gqa) {
      MT_CHECK(q_lead.n >= 1 && kv_lead.n == q_lead.n && kv_lead[kv_lead.n - 1] > 0 &&
                   q_lead[q_lead.n - 1] % kv_lead[kv_lead.n - 1] == 0,
               kName,
               "(): enable_gqa needs a number of query heads that is a multiple of that of "
               "key and value, but got ",
               shapes());
      group = q_lead[q_lead.n - 1] / kv_lead[kv_lead.n - 1];
      q_lead[q_lead.n - 1] = kv_lead[kv_lead.n - 1];
    }
    lead = broadcast_shapes(q_lead, kv_lead, kName);
    auto expanded = [&](const Tensor& x, int64_t heads_times) {
      Dims sizes = lead;
      if (sizes.n) sizes[sizes.n - 1] *= heads_times;
      sizes.push(x.size(-2));
      sizes.push(x.size(-1));
      Tensor t = to_dtype(x, dtype);
      return with_rows(four_dims(t.sizes() == sizes ? t : expand_to(t, sizes, kName)));
    };
    q = expanded(query, group);
    k = expanded(key, 1);
    v = expanded(value, 1);
    if (lead.n) lead[lead.n - 1] *= group;
    args.dtype = dtype;
    args.batch = q.size(0);
    args.heads = q.size(1);
    args.kv_heads = k.size(1);
    args.q = q.data();
    args.k = k.data();
    args.v = v.data();
    args.q_at = strides_of(q);
    args.k_at = strides_of(k);
    args.v_at = strides_of(v);
    args.kernel = chosen_kernel;
    args.causal = causal;
    args.scale = scale;
    if (attn_mask) set_mask(*attn_mask, query.dtype());
  }

  void set_mask(const Tensor& m, DType dtype) {
    MT_CHECK(m.dtype() == DType::Bool || m.dtype() == dtype || m.dtype() == DType::Float32, kName,
             "(): Expected attn_mask dtype to be bool or float or to match query dtype, but got "
             "attn_mask.dtype: ",
             m.dtype(), " and query.dtype: ", dtype, " instead.");
    Dims sizes = lead;
    sizes.push(args.queries);
    sizes.push(args.keys);
    args.mask_is_bool = m.dtype() == DType::Bool;
    args.mask_is_float32 = m.dtype() == DType::Float32;
    const bool stays = args.mask_is_bool || tensor_cores;
    mask = four_dims(expand_to(stays ? m : to_dtype(m, args.dtype), sizes, kName));
    auto far = [](int64_t stride) { return std::abs(stride) > AttentionArgs::kFarthest; };
    if (tensor_cores && (far(mask.stride(2)) || far(mask.stride(3)))) mask = contiguous(mask);
    args.mask = mask.data();
    args.mask_at = strides_of(mask);
    args.mask_column = mask.stride(3);
  }

  Tensor with_rows(const Tensor& x) const {
    Tensor y = with_contiguous_rows(x);
    return tensor_cores ? with_aligned_rows(y) : y;
  }
  DType lse_dtype() const { return tensor_cores ? DType::Float32 : args.dtype; }
  // p in [0, 1), of 16-bit operands on tensor cores.
  void set_dropout(double p, int64_t seed, int64_t offset) {
    if (p == 0) return;
    MT_CHECK(tensor_cores, kName, "(): dropout of these operands needs the matrix of weights");
    args.drop = uint32_t(p * 4294967296.0);
    args.keep_scale = float(1.0 / (1.0 - p));
    args.seed = uint64_t(seed);
    args.offset = uint64_t(offset);
  }
  int64_t work() const { return args.batch * args.heads * args.queries * args.keys; }

  // A [batch, heads, rows, columns] result in the shape and dtype of the caller.
  Tensor restore(const Tensor& t, int64_t heads_divisor, DType dtype) const {
    Dims sizes = lead, strides;
    if (sizes.n && heads_divisor > 1) sizes[sizes.n - 1] /= heads_divisor;
    sizes.push(t.size(2));
    sizes.push(t.size(3));
    if (sizes.n > 4) {
      strides = contiguous_strides(sizes);
      return to_dtype(as_strided(contiguous(t), sizes, strides, 0), dtype);
    }
    for (int i = 4 - sizes.n; i < 4; i++) strides.push(t.stride(i));
    Tensor y = as_strided(t, sizes, strides, 0);
    return to_dtype(y, dtype);
  }
};

std::tuple<Tensor, Hidden<Tensor>> forward(const Tensor& query, const Tensor& key,
                                           const Tensor& value, const std::optional<Tensor>& mask,
                                           bool causal, double scale, bool gqa, double dropout,
                                           int64_t seed, int64_t offset) {
  Prepared p(query, key, value, mask, causal, scale, gqa);
  p.set_dropout(dropout, seed, offset);
  Tensor out = shaped_like(p.q, p.args.queries, p.args.value_width);
  Tensor lse = empty({p.args.batch, p.args.heads, p.args.queries}, p.lse_dtype(), p.q.device());
  MT_DISPATCH(p.q.device(), p.work(), attention_forward, p.args, out.data(), strides_of(out),
              lse.data());
  return {p.restore(out, 1, query.dtype()), Hidden<Tensor>{lse}};
}

std::tuple<Tensor, Tensor, Tensor> backward(const Tensor& dout, const Tensor& out,
                                            const Tensor& lse, const Tensor& query,
                                            const Tensor& key, const Tensor& value,
                                            const std::optional<Tensor>& mask, bool causal,
                                            double scale, bool gqa, double dropout, int64_t seed,
                                            int64_t offset) {
  Prepared p(query, key, value, mask, causal, scale, gqa);
  p.set_dropout(dropout, seed, offset);
  auto prepare = [&](const Tensor& x) {
    Tensor t = x.sizes() == out.sizes() ? x : expand_to(x, out.sizes(), kName);
    return p.with_rows(four_dims(to_dtype(t, p.args.dtype)));
  };
  Tensor o = prepare(out), g = prepare(dout);
  Tensor dq = shaped_like(p.q, p.args.queries, p.args.width);
  Tensor dk = shaped_like(p.k, p.args.keys, p.args.width);
  Tensor dv = shaped_like(p.v, p.args.keys, p.args.value_width);
  MT_DISPATCH(p.q.device(), p.work(), attention_backward, p.args, o.data(), strides_of(o),
              lse.data(), g.data(), strides_of(g), dq.data(), strides_of(dq), dk.data(),
              strides_of(dk), dv.data(), strides_of(dv));
  const int64_t group = p.args.heads / p.args.kv_heads;
  return {p.restore(dq, 1, query.dtype()), p.restore(dk, group, key.dtype()),
          p.restore(dv, group, value.dtype())};
}

// Whether dropout happens inside of the kernels: weights of one element per number of
// [..., query, key], as the matrix of weights has them.
bool drops_in_place(const Tensor& query, const Tensor& key, const Tensor& value) {
  if (query.device().is_cpu() || !is_floating(query.dtype()) || itemsize(query.dtype()) != 2 ||
      query.dim() < 2 || key.dim() != query.dim() || value.dim() != query.dim() ||
      key.dtype() != query.dtype() || value.dtype() != query.dtype())
    return false;
  for (int i = 0; i + 2 < query.dim(); i++)
    if (key.size(i) != value.size(i) || (i + 3 < query.dim() && key.size(i) != query.size(i)))
      return false;
  AttentionArgs a{};
  a.queries = query.size(-2);
  a.keys = key.size(-2);
  a.width = query.size(-1);
  a.value_width = value.size(-1);
  return a.takes_tensor_cores();
}

}  // namespace

MT_BIND(attention) {
  def_plain<&choose_kernel>(m, "attention_choose_kernel");
  def_plain<&drops_in_place>(m, "attention_drops_in_place");
  def_op<&forward>(m, "attention");
  def_raw<&backward>(m, "attention_backward");
}

}  // namespace mt
