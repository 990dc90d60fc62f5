// Distinct elements, or distinct slices along a dim: a sort (stable, by rows of slices) and one
// walk over the sorted order.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "ops/reduce_dims.h"
#include "ops/sort.h"

namespace mt {
namespace {

DType stored_as(DType t) { return t == DType::Bool ? DType::UInt8 : t; }

template <class T>
auto number(T v) {
  if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) return to_float(v);
  else return v;
}

// Slices of m elements; n of them.
template <class T>
struct Slices {
  const T* x;
  int64_t m;
  bool equal(int64_t a, int64_t b) const {
    for (int64_t j = 0; j < m; j++)
      if (number(x[a * m + j]) != number(x[b * m + j])) return false;
    return true;
  }
  bool less(int64_t a, int64_t b) const {
    for (int64_t j = 0; j < m; j++) {
      auto u = number(x[a * m + j]), v = number(x[b * m + j]);
      if (u != v) return u < v || (v != v && u == u);
    }
    return false;
  }
};

struct Found {
  std::vector<int64_t> first;  // per distinct slice, the first slice equal to it
  std::vector<int64_t> count;
  Tensor inverse;
};

// Neighbours in `order` that are equal are one.
template <class T>
void walk(const Slices<T>& s, const int64_t* order, int64_t n, Found& f) {
  int64_t* inverse = f.inverse.data<int64_t>();
  for (int64_t i = 0; i < n; i++) {
    int64_t at = order ? order[i] : i;
    if (i == 0 || !s.equal(f.first.back(), at)) {
      f.first.push_back(at);
      f.count.push_back(0);
    }
    f.count.back()++;
    inverse[at] = int64_t(f.first.size()) - 1;
  }
}

// x (n, m) contiguous.
Found find(const Tensor& x, int64_t n, int64_t m, bool consecutive) {
  Found f;
  f.inverse = empty({n}, DType::Int64, x.device());
  Tensor order;
  if (!consecutive && n > 0) {
    order = empty({n}, DType::Int64, x.device());
    if (m == 1) {
      DType dtype = stored_as(x.dtype());
      MT_CHECK(n < int64_t(1) << 32, "unique(): ", n, " elements are too many");
      Tensor work = empty({sort_work_bytes(dtype, n)}, DType::UInt8, x.device());
      MT_DISPATCH(x.device(), 8 * n, sort_forward, dtype, false, x.data(), nullptr,
                  order.data<int64_t>(), 1, n, work.data());
    } else {
      int64_t* p = order.data<int64_t>();
      std::iota(p, p + n, int64_t(0));
      MT_SWITCH_ALL(x.dtype(), {
        Slices<scalar_t> s{x.data<scalar_t>(), m};
        std::stable_sort(p, p + n, [&](int64_t a, int64_t b) { return s.less(a, b); });
      })
    }
  }
  MT_SWITCH_ALL(x.dtype(), {
    walk(Slices<scalar_t>{x.data<scalar_t>(), m}, order ? order.data<int64_t>() : nullptr, n, f);
  })
  return f;
}

Tensor vector_of(const std::vector<int64_t>& v) {
  Tensor y = empty({int64_t(v.size())}, DType::Int64, {});
  if (!v.empty()) std::memcpy(y.data(), v.data(), v.size() * sizeof(int64_t));
  return y;
}

// The first index of every distinct slice of x (n, ...), in the order of the result; where each
// slice went; and how many there are of each.
std::tuple<Tensor, Tensor, Tensor> unique(const Tensor& input, bool consecutive) {
  // The number of results is known only after the walk, which is the host's; so is the sort.
  Tensor x = to_device(contiguous(input), {});
  int64_t n = x.size(0), m = 1;
  for (int i = 1; i < x.dim(); i++) m *= x.size(i);
  Found f = find(x, n, m, consecutive);
  const Device device = input.device();
  return {to_device(vector_of(f.first), device), to_device(f.inverse, device),
          to_device(vector_of(f.count), device)};
}

}  // namespace

MT_BIND(unique) { def_plain<&unique>(m, "unique"); }

}  // namespace mt
