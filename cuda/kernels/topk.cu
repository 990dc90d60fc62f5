// Selection from sorted rows (sort.cu).
#include "ops/topk.h"

#include "cuda/kernels/sort.cuh"
#include "kernels/sort_keys.h"

namespace mt::cuda {
namespace {

// One thread per row: the asked place in the sorted row, and from there back to the first element
// that equals it.
template <class S>
__global__ void __launch_bounds__(kThreads)
    select_kernel(SelectOp op, const S* x, const uint32_t* order, S* values, int64_t* indices,
                  int64_t rows, int64_t n, int64_t k) {
  using Key = typename fn::Keys<S>::Key;
  for (int64_t r = thread_index(); r < rows; r += thread_count()) {
    const S* row = x + r * n;
    const uint32_t* sorted = order + r * n;
    const auto key = [&](int64_t i) { return fn::Keys<S>::of(row[sorted[i]]); };
    // First place in the sorted row whose key is not smaller.
    const auto first_of = [&](Key wanted) {
      int64_t low = 0, high = n;
      while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (key(middle) < wanted) low = middle + 1;
        else high = middle;
      }
      return low;
    };
    int64_t at = k - 1;
    if (op != SelectOp::kth) {
      int64_t numbers = n;
      if constexpr (__is_same(compute_t<S>, float) || __is_same(S, double))
        numbers = first_of(~Key(0));
      at = numbers == n || (op == SelectOp::nanmedian && numbers > 0) ? (numbers - 1) / 2 : n - 1;
    }
    const int64_t place = sorted[first_of(key(at))];
    values[r] = row[place];
    indices[r] = place;
  }
}

}  // namespace

void topk_forward(DType dtype, bool largest, const void* x, void* values, int64_t* indices,
                  int64_t rows, int64_t n, int64_t k) {
  Scratch order(size_t(rows * n) * sizeof(uint32_t));
  sort_order(dtype, largest, x, order.as<uint32_t>(), rows, n);
  take_sorted(dtype, x, order.as<uint32_t>(), values, indices, rows, n, k);
}

void select_forward(SelectOp op, DType dtype, const void* x, void* values, int64_t* indices,
                    int64_t rows, int64_t n, int64_t k) {
  Scratch order(size_t(rows * n) * sizeof(uint32_t));
  sort_order(dtype, false, x, order.as<uint32_t>(), rows, n);
  const auto run = [&](auto kind) {
    using S = decltype(kind);
    MT_LAUNCH((select_kernel<S>), grid_for(rows, kThreads, 1 << 20), kThreads, 0, stream(), op,
              static_cast<const S*>(x), order.as<uint32_t>(), static_cast<S*>(values), indices,
              rows, n, k);
  };
  MT_SWITCH_INT(dtype, run(scalar_t{});)
  MT_SWITCH_FLOAT_HALF(dtype, run(scalar_t{});)
}

}  // namespace mt::cuda
