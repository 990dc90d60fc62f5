#include "core/check.h"
#include "cuda/bench/bench.h"
#include "ops/activation.h"
#include "ops/binary.h"
#include "ops/dropout.h"
#include "ops/random.h"
#include "ops/ternary.h"
#include "ops/unary.h"

namespace mt::cuda::bench {
namespace {

std::vector<int64_t> sizes() {
  return {fit(1 << 12, 1000), fit(1 << 20, 1000), fit(1 << 26, 1000)};
}

double bytes_of(DType t, int64_t n, int arrays) {
  return double(arrays) * double(n) * double(itemsize(t));
}

// `inner` > 0: y is one row of that length, broadcast over the rows of x.
void add_binary(const char* name, BinaryOp op, DType t, int64_t n, int64_t inner = 0) {
  const std::string how = inner ? concat("/row", inner) : "";
  add(title("binary_forward", t, concat(name, "/", n, how)),
      {.flops = double(n), .bytes = bytes_of(t, n, inner ? 2 : 3)}, [=](Operands& o) -> Call {
        const void *x = o.normal(t, n), *y = o.uniform(t, inner ? inner : n);
        ElementIter it = flat(t, n, {o.empty(t, n), x, y});
        if (inner) {
          const int64_t size = int64_t(itemsize(t));
          it.ndim = 2;
          it.shape[0] = inner;
          it.shape[1] = n / inner;
          const int64_t outer[] = {inner * size, inner * size, 0};
          for (int k = 0; k < 3; k++) it.strides[1][k] = outer[k];
        }
        return [=] { binary_forward(op, kF32, types_of(t, 3), it, Number{1, 1}); };
      });
}

void add_unary(const char* name, UnaryOp op, DType t, int64_t n) {
  add(title("unary_forward", t, concat(name, "/", n)), {.bytes = bytes_of(t, n, 2)},
      [=](Operands& o) -> Call {
        const void* x = o.normal(t, n);
        const ElementIter it = flat(t, n, {o.empty(t, n), x});
        return [=] { unary_forward(op, kF32, types_of(t, 2), it); };
      });
  add(title("unary_backward", t, concat(name, "/", n)), {.bytes = bytes_of(t, n, 3)},
      [=](Operands& o) -> Call {
        const void *dy = o.normal(t, n), *s = o.uniform(t, n);
        const ElementIter it = flat(t, n, {o.empty(t, n), dy, s});
        return [=] { unary_backward(op, kF32, types_of(t, 3), it); };
      });
}

void add_activation(const char* name, ActivationOp op, DType t, int64_t n) {
  add(title("activation_forward", t, concat(name, "/", n)), {.bytes = bytes_of(t, n, 2)},
      [=](Operands& o) -> Call {
        const void* x = o.normal(t, n);
        const ElementIter it = flat(t, n, {o.empty(t, n), x});
        return [=] { activation_forward(op, kF32, types_of(t, 2), it, {}); };
      });
  add(title("activation_backward", t, concat(name, "/", n)), {.bytes = bytes_of(t, n, 3)},
      [=](Operands& o) -> Call {
        const void *dy = o.normal(t, n), *x = o.normal(t, n);
        const ElementIter it = flat(t, n, {o.empty(t, n), dy, x});
        return [=] { activation_backward(op, kF32, types_of(t, 3), it, {}); };
      });
}

void add_where(DType t, int64_t n) {
  add(title("where_forward", t, shape(n)), {.bytes = bytes_of(t, n, 3) + double(n)},
      [=](Operands& o) -> Call {
        void* c = o.empty(DType::Bool, n);
        random_bernoulli(DType::Bool, c, nullptr, 0.5f, n, 1, 0);
        const void *x = o.normal(t, n), *y = o.normal(t, n);
        ElementIter it = flat(t, n, {o.empty(t, n), c, x, y});
        it.strides[0][1] = 1;
        OperandTypes types = types_of(t, 4);
        types.t[1] = DType::Bool;
        return [=] { where_forward(kF32, types, it); };
      });
}

void add_random(const char* name, RandomOp op, DType t, int64_t n) {
  add(title("random_fill", t, concat(name, "/", n)), {.bytes = bytes_of(t, n, 1)},
      [=](Operands& o) -> Call {
        void* y = o.empty(t, n);
        return [=] { random_fill(op, t, y, n, 7, 0, 0, 1); };
      });
}

void add_dropout(DType t, int64_t n) {
  add(title("dropout_forward", t, shape(n)), {.bytes = bytes_of(t, n, 2)},
      [=](Operands& o) -> Call {
        const void* x = o.normal(t, n);
        void* y = o.empty(t, n);
        return [=] { dropout_forward(t, x, y, n, 7, 0, 1u << 29, 8.0 / 7); };
      });
}

MT_CUDA_BENCH(elementwise) {
  for (DType t : {kF32, kBF16})
    for (int64_t n : sizes()) {
      add_binary("add", BinaryOp::add, t, n);
      add_binary("mul", BinaryOp::mul, t, n);
      add_binary("div", BinaryOp::div, t, n);
      add_unary("relu", UnaryOp::relu, t, n);
      add_unary("exp", UnaryOp::exp, t, n);
      add_unary("tanh", UnaryOp::tanh, t, n);
      add_unary("sin", UnaryOp::sin, t, n);
      add_activation("gelu", ActivationOp::gelu, t, n);
      add_activation("silu", ActivationOp::silu, t, n);
      add_where(t, n);
      add_random("uniform", RandomOp::uniform, t, n);
      add_random("normal", RandomOp::normal, t, n);
      add_dropout(t, n);
    }
  for (DType t : {kF32, kBF16})
    add_binary("add", BinaryOp::add, t, fit(1 << 24, 1024), fit(1024, 64));
  for (int64_t n : sizes())
    add(title("random_integers", DType::Int64, shape(n)), {.bytes = 8.0 * double(n)},
        [=](Operands& o) -> Call {
          void* y = o.empty(DType::Int64, n);
          return [=] { random_integers(DType::Int64, y, n, 7, 0, 0, 1000, false); };
        });
}

}  // namespace
}  // namespace mt::cuda::bench
