#include "ops/rnn.h"

#include "ops/dispatch.h"
#include "ops/hidden.h"
#include "ops/matmul.h"

namespace mt {
namespace {

constexpr const char* kNames[] = {"lstm_layer", "gru_layer", "rnn_layer", "rnn_layer"};

Tensor rows_of(const Tensor& x, int64_t first, int64_t count) {
  Dims sizes = x.sizes();
  sizes[0] = count;
  return as_strided(x, sizes, x.strides(), x->offset + first * x.stride(0));
}
// [steps, n, columns] as [steps * n, columns].
Tensor flat(const Tensor& x) {
  return as_strided(x, {x.size(0) * x.size(1), x.size(2)}, {x.size(2), 1}, x->offset);
}
Tensor transposed(const Tensor& x) {
  return as_strided(x, {x.size(1), x.size(0)}, {x.stride(1), x.stride(0)}, x->offset);
}
Tensor column_sums(const Tensor& x) {
  Tensor y = empty({x.size(1)}, x.dtype(), x.device());
  Tensor one = scalar_tensor(Scalar::of(1.0), x.dtype(), x.device());
  gemm_into(as_strided(y, {1, y.numel()}, {y.numel(), 1}, 0),
            as_strided(one, {1, x.size(0)}, {0, 0}, 0), x);
  return y;
}

struct Prepared {
  Tensor x, h0, c0, w_ih, w_hh, b_hh;
  int64_t gates;
  RnnArgs args;

  Prepared(int64_t kind_number, const Tensor& input, const Tensor& h,
           const std::optional<Tensor>& c, const Tensor& ih, const Tensor& hh,
           const std::optional<Tensor>& bias, bool reverse) {
    MT_CHECK_VALUE(kind_number >= 0 && kind_number <= 3, "rnn: no such kind: ", kind_number);
    const RnnKind kind = RnnKind(kind_number);
    const char* op = kNames[kind_number];
    gates = rnn_gates(kind);
    check_floating(input, op, "input");
    MT_CHECK(input.dim() == 3, op, "(): expected input [steps, batch, features], got ",
             input.sizes());
    MT_CHECK(hh.dim() == 2 && hh.size(0) == gates * hh.size(1) && hh.size(1) > 0, op,
             "(): expected w_hh of shape [", gates, " * hidden, hidden], got ", hh.sizes());
    const int64_t n = input.size(1), hidden = hh.size(1);
    MT_CHECK(ih.dim() == 2 && ih.size(0) == gates * hidden && ih.size(1) == input.size(2), op,
             "(): expected w_ih of shape ", Dims{gates * hidden, input.size(2)}, ", got ",
             ih.sizes());
    MT_CHECK(h.sizes() == (Dims{n, hidden}), op, "(): expected h0 of shape ", Dims{n, hidden},
             ", got ", h.sizes());
    MT_CHECK(!bias || bias->sizes() == Dims{gates * hidden}, op, "(): expected biases of shape ",
             Dims{gates * hidden}, ", got ", bias ? bias->sizes() : Dims());
    MT_CHECK(input.size(0) > 0, op, "(): Expected sequence length to be larger than 0");
    const DType dtype = input.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
    auto prepare = [&](const Tensor& t) {
      MT_CHECK(t.dtype() == input.dtype(), op, "(): expected everything to have input's dtype ",
               input.dtype(), ", got ", t.dtype());
      return contiguous(to_dtype(t, dtype));
    };
    x = prepare(input);
    h0 = prepare(h);
    w_ih = prepare(ih);
    w_hh = prepare(hh);
    if (kind == RnnKind::lstm) {
      MT_CHECK(c && c->sizes() == h.sizes(), op, "(): expected c0 of h0's shape ", h.sizes());
      c0 = prepare(*c);
    }
    if (bias) b_hh = prepare(*bias);
    args = {dtype, kind, input.size(0), n, hidden, reverse, w_hh.data()};
    if (kind == RnnKind::gru && bias)
      args.b_hn = b_hh.data<char>() + 2 * hidden * int64_t(itemsize(dtype));
  }

  int64_t last() const { return args.reverse ? 0 : args.steps - 1; }
  Dims per_step(int64_t columns) const { return {args.steps, args.n, columns}; }
  bool has_extra() const { return args.kind == RnnKind::lstm || args.kind == RnnKind::gru; }
  // A state that this kind does not have is never read; it still has to be a valid pointer.
  const void* cells(const Tensor& c) const { return c ? c.data() : h0.data(); }
};

using Forward = std::tuple<Tensor, Tensor, Tensor, Hidden<Tensor>, Hidden<Tensor>>;

Forward forward(int64_t kind, const Tensor& input, const Tensor& h, const std::optional<Tensor>& c,
                const Tensor& w_ih, const Tensor& w_hh, const std::optional<Tensor>& b_ih,
                const std::optional<Tensor>& b_hh, bool reverse) {
  Prepared p(kind, input, h, c, w_ih, w_hh, b_hh, reverse);
  const RnnArgs& a = p.args;
  const int64_t width = p.gates * a.hidden;
  MT_CHECK(!b_ih || b_ih->sizes() == Dims{width}, kNames[kind], "(): expected biases of shape ",
           Dims{width}, ", got ", b_ih ? b_ih->sizes() : Dims());
  Tensor bias = empty({width}, a.dtype, p.x.device());
  Tensor own = b_ih ? contiguous(to_dtype(*b_ih, a.dtype)) : Tensor();
  MT_DISPATCH(p.x.device(), width, rnn_biases, a.dtype, a.kind, a.hidden,
              own ? own.data() : nullptr, p.b_hh ? p.b_hh.data() : nullptr, bias.data());
  Tensor gates = linear_forward(p.x, p.w_ih, bias, Activation::none);
  Tensor out = empty(p.per_step(a.hidden), a.dtype, p.x.device()), extra;
  if (p.has_extra()) extra = empty_like(out);
  Tensor panels;
  if (p.x.device().is_cpu()) {
    const int64_t slice = rnn_slice(a.kind), slices = ceil_div(a.hidden, slice);
    panels = empty({slices, a.hidden, p.gates * slice}, a.dtype, p.x.device());
  }
  MT_DISPATCH(p.x.device(), gates.numel(), rnn_forward, a, gates.data(),
              extra ? extra.data() : out.data(), p.h0.data(), p.cells(p.c0), out.data(),
              panels ? panels.data() : nullptr);
  auto state = [&](const Tensor& all) {
    Tensor y = empty(p.h0.sizes(), input.dtype(), p.x.device());
    Tensor end = rows_of(all, p.last(), 1);
    copy_into(y, as_strided(end, y.sizes(), y.strides(), end->offset));
    return y;
  };
  Tensor h_n = state(out), c_n = a.kind == RnnKind::lstm ? state(extra) : Tensor();
  if (!p.has_extra()) gates = Tensor();
  return {to_dtype(out, input.dtype()), h_n, c_n, Hidden<Tensor>{gates}, Hidden<Tensor>{extra}};
}

using Backward = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>;

Backward backward(int64_t kind, const Tensor& input, const Tensor& h,
                  const std::optional<Tensor>& c, const Tensor& w_ih, const Tensor& w_hh,
                  const std::optional<Tensor>& b_hh, bool reverse, const Tensor& output,
                  const std::optional<Tensor>& gates, const std::optional<Tensor>& extra,
                  const std::optional<Tensor>& dout, const std::optional<Tensor>& dh_n,
                  const std::optional<Tensor>& dc_n) {
  Prepared p(kind, input, h, c, w_ih, w_hh, b_hh, reverse);
  const RnnArgs& a = p.args;
  const int64_t width = p.gates * a.hidden;
  Tensor out = contiguous(to_dtype(output, a.dtype));
  auto gradient = [&](const std::optional<Tensor>& g, const Dims& sizes) {
    return g ? contiguous(to_dtype(expand_to(*g, sizes, kNames[kind]), a.dtype)) : Tensor();
  };
  Tensor g_out = gradient(dout, out.sizes()), g_h = gradient(dh_n, p.h0.sizes());
  Tensor g_c = gradient(dc_n, p.h0.sizes());
  Tensor dgates = empty(p.per_step(width), a.dtype, p.x.device()), dhidden = dgates;
  if (a.kind == RnnKind::gru) dhidden = empty_like(dgates);
  Tensor dh0 = empty_like(p.h0), dc0 = p.has_extra() ? empty_like(p.h0) : dh0;
  auto data = [](const Tensor& t) { return t ? t.data() : nullptr; };
  MT_DISPATCH(p.x.device(), dgates.numel(), rnn_backward, a, gates ? gates->data() : out.data(),
              extra ? extra->data() : out.data(), p.h0.data(), p.cells(p.c0), out.data(),
              data(g_out), data(g_h), data(g_c), dgates.data(), dhidden.data(), dh0.data(),
              dc0.data());
  Tensor dx = empty_like(p.x), dw_ih = empty_like(p.w_ih), dw_hh = empty_like(p.w_hh);
  const Tensor dg = flat(dgates);
  gemm_into(flat(dx), dg, p.w_ih);
  gemm_into(dw_ih, transposed(dg), flat(p.x));
  // The first step's h is h0, every other step's is the output of the step before it.
  const int64_t first = reverse ? a.steps - 1 : 0, rest = a.steps - 1;
  gemm_into(dw_hh, transposed(flat(rows_of(dhidden, first, 1))), p.h0);
  if (rest)
    gemm_into(dw_hh, transposed(flat(rows_of(dhidden, reverse ? 0 : 1, rest))),
              flat(rows_of(out, reverse ? 1 : 0, rest)), 1, 1);
  Tensor db_ih = column_sums(dg),
         db_hh = a.kind == RnnKind::gru ? column_sums(flat(dhidden)) : db_ih;
  const DType dtype = input.dtype();
  auto result = [&](const Tensor& t) { return to_dtype(t, dtype); };
  return {result(dx),    result(dh0),   a.kind == RnnKind::lstm ? result(dc0) : Tensor(),
          result(dw_ih), result(dw_hh), result(db_ih),
          result(db_hh)};
}

}  // namespace

MT_BIND(rnn) {
  def_op<&forward>(m, "rnn_layer");
  def_raw<&backward>(m, "rnn_layer_backward");
}

}  // namespace mt
