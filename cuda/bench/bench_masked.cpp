// Selection by a mask or an index, searches and counts, comparisons, gradients of mixed precision.
#include "cuda/bench/bench.h"
#include "ops/activation.h"
#include "ops/amp.h"
#include "ops/binary.h"
#include "ops/copy.h"
#include "ops/cross_entropy.h"
#include "ops/gemm.h"
#include "ops/masked.h"
#include "ops/random.h"
#include "ops/reduce.h"
#include "ops/search.h"
#include "ops/ternary.h"

namespace mt::cuda::bench {
namespace {

bool* random_mask(Operands& o, int64_t n) {
  bool* mask = static_cast<bool*>(o.empty(DType::Bool, n));
  random_bernoulli(DType::Bool, mask, nullptr, 0.5f, n, 1, 0);
  return mask;
}

// As masked_select does it: counts per chunk, their running sums, the elements.
void add_mask(int64_t n) {
  add(title("masked_select", kF32, shape(n)), {.bytes = 2.0 * double(n) + 6.0 * double(n)},
      [=](Operands& o) -> Call {
        const void* x = o.normal(kF32, n);
        void* y = o.empty(kF32, n);
        const bool* mask = random_mask(o, n);
        const int64_t chunk = kMaskChunkCuda, chunks = (n + chunk - 1) / chunk;
        int64_t* starts = static_cast<int64_t*>(o.empty(DType::Int64, chunks + 1));
        return [=] {
          mask_count(mask, n, chunk, starts);
          running_starts(starts, chunks);
          masked_select(4, x, mask, n, chunk, starts, y);
        };
      });
  add(title("masked_fill", kF32, shape(n)), {.bytes = 9.0 * double(n)}, [=](Operands& o) -> Call {
    const void* x = o.normal(kF32, n);
    const bool* mask = random_mask(o, n);
    ElementIter it = flat(kF32, n, {o.empty(kF32, n), x, mask, o.normal(kF32, 1)});
    it.strides[0][2] = 1;
    it.strides[0][3] = 0;
    return [=] { masked_fill(4, it, false); };
  });
}

void add_elementwise(int64_t n) {
  add(title("compare_forward", kF32, "lt/" + std::to_string(n)), {.bytes = 9.0 * double(n)},
      [=](Operands& o) -> Call {
        const void *x = o.normal(kF32, n), *y = o.normal(kF32, n);
        ElementIter it = flat(kF32, n, {o.empty(DType::Bool, n), x, y});
        it.strides[0][0] = 1;
        OperandTypes types = types_of(kF32, 3);
        types.t[0] = DType::Bool;
        return [=] { compare_forward(CompareOp::lt, kF32, types, it); };
      });
  for (DType t : {kF32, kBF16}) {
    const double size = double(itemsize(t)) * double(n);
    add(title("ternary_forward", t, "lerp/" + std::to_string(n)), {.bytes = 4 * size},
        [=](Operands& o) -> Call {
          const void *x = o.normal(t, n), *y = o.normal(t, n), *w = o.uniform(t, n);
          const ElementIter it = flat(t, n, {o.empty(t, n), x, y, w});
          return [=] { ternary_forward(TernaryOp::lerp, kF32, types_of(t, 4), it, Number{}); };
        });
    add(title("glu_forward", t, shape(n)), {.bytes = 3 * size}, [=](Operands& o) -> Call {
      const void *a = o.normal(t, n), *b = o.normal(t, n);
      const ElementIter it = flat(t, n, {o.empty(t, n), a, b});
      return [=] { glu_forward(kF32, types_of(t, 3), it); };
    });
    add(title("unscale", t, shape(n)), {.bytes = 2 * size}, [=](Operands& o) -> Call {
      void* g = o.normal(t, n);
      float *inverse = o.floats(1), *found = o.floats(1);
      return [=] { unscale(t, g, n, inverse, found); };
    });
  }
  add(title("arange", DType::Int64, shape(n)), {.bytes = 8.0 * double(n)},
      [=](Operands& o) -> Call {
        void* y = o.empty(DType::Int64, n);
        return [=] { arange(DType::Int64, y, n, 0, 1, 0, 1); };
      });
  add(title("reduce_logic", DType::Bool, "count_nonzero/" + std::to_string(n)),
      {.bytes = double(n), .only_reads = true}, [=](Operands& o) -> Call {
        const bool* x = random_mask(o, n);
        ElementIter kept = flat(DType::Int64, 1, {o.empty(DType::Int64, 1), x, nullptr});
        const ElementIter reduced = flat(DType::Bool, n, {x});
        return [=] { reduce_logic(LogicOp::count_nonzero, DType::Bool, kept, reduced); };
      });
}

void add_search(int64_t n, int64_t m) {
  add(title("searchsorted", kF32, shape(n) + "/" + std::to_string(m)), {.bytes = 12.0 * double(m)},
      [=](Operands& o) -> Call {
        void *edges = o.empty(kF32, n), *x = o.uniform(kF32, m);
        linspace(kF32, edges, n, 0, 1);
        int64_t* y = o.indices(m, 2);
        return [=] { searchsorted(kF32, edges, nullptr, x, y, 1, n, m, true, false); };
      });
  add(title("bincount", DType::Int64, shape(m) + "/bins" + std::to_string(n)),
      {.bytes = 8.0 * double(m), .only_reads = true}, [=](Operands& o) -> Call {
        const int64_t* x = o.indices(m, n);
        void* counts = o.empty(DType::Int64, n);
        return [=] { bincount(x, nullptr, counts, m, n); };
      });
  add(title("histc", kF32, shape(m) + "/bins" + std::to_string(n)),
      {.bytes = 4.0 * double(m), .only_reads = true}, [=](Operands& o) -> Call {
        const void* x = o.uniform(kF32, m);
        int64_t* counts = o.indices(n, 1);
        return [=] { histc(kF32, x, counts, m, n, 0, 1); };
      });
}

void add_nll(int64_t n, int64_t c) {
  const CrossEntropyArgs rows{.dtype = kF32, .n = n, .c = c, .inner = 1};
  add(title("nll_backward", kF32, shape(n, c)), {.bytes = 4.0 * double(n * c)},
      [=](Operands& o) -> Call {
        CrossEntropyArgs args = rows;
        args.x = o.normal(kF32, n * c);
        args.target = o.indices(n, c);
        double* total = static_cast<double*>(o.empty(DType::Float64, 1));
        void *loss = o.empty(kF32, 1), *dy = o.normal(kF32, 1), *dx = o.empty(kF32, n * c);
        int64_t bad = -1;
        nll_forward(args, loss, total, &bad);
        return [=] { nll_backward(args, dy, total, dx); };
      });
}

void add_int8(int64_t n) {
  add(title("gemm_int8", DType::Int8, shape(n, n, n)),
      {.flops = 2.0 * double(n) * double(n) * double(n), .bytes = 6.0 * double(n * n)},
      [=](Operands& o) -> Call {
        GemmArgs args{.dtype = DType::Int8, .m = n, .n = n, .k = n};
        const auto operand = [&] {
          void* x = o.empty(DType::Int8, n * n);
          random_integers(DType::Int8, x, n * n, 1, 0, -128, 256, false);
          return x;
        };
        args.a = operand(), args.a_row = n, args.a_col = 1;
        args.b = operand(), args.b_row = 1, args.b_col = n;
        args.c = o.empty(DType::Int32, n * n), args.c_row = n;
        return [=] { gemm_int8(args); };
      });
}

MT_CUDA_BENCH(masked) {
  for (int64_t n : {1 << 16, 1 << 25}) {
    add_mask(fit(n, 5000));
    add_elementwise(fit(n, 1000));
    add_search(fit(1024, 10), fit(n, 1000));
  }
  add_nll(fit(65536, 10), fit(1000, 11));
  add_int8(fit(4096, 48));
}

}  // namespace
}  // namespace mt::cuda::bench
