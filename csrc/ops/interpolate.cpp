#include "ops/interpolate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "ops/dispatch.h"

namespace mt {
namespace {

enum class Mode : int { nearest, nearest_exact, linear, cubic };

// Places and weights of every output of one dim.
struct Table {
  int64_t taps;
  std::vector<int32_t> at;
  std::vector<double> w;
};

double cubic_near(double x, double a) { return ((a + 2) * x - (a + 3)) * x * x + 1; }
double cubic_far(double x, double a) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; }

// Input steps per output step. A float32 image is sampled at places computed in float32.
template <class F>
F step_of(int64_t in, int64_t out, bool align, double scale) {
  if (align) return out > 1 ? F(in - 1) / F(out - 1) : F(0);
  return scale > 0 ? F(1.0 / scale) : F(in) / F(out);
}

template <class F>
Table make_table(int64_t in, int64_t out, Mode mode, bool align, double scale) {
  Table t;
  t.taps = mode == Mode::cubic ? 4 : mode == Mode::linear ? 2 : 1;
  t.at.resize(size_t(out * t.taps));
  t.w.resize(size_t(out * t.taps));
  const F step = step_of<F>(in, out, align, scale);
  for (int64_t q = 0; q < out; q++) {
    int32_t* at = &t.at[size_t(q * t.taps)];
    double* w = &t.w[size_t(q * t.taps)];
    if (t.taps == 1) {
      const float s = scale > 0 ? float(1.0 / scale) : float(in) / float(out);
      const float place = mode == Mode::nearest ? float(q) * s : (float(q) + 0.5f) * s;
      at[0] = int32_t(std::min<int64_t>(int64_t(std::floor(place)), in - 1));
      w[0] = 1;
      continue;
    }
    F place = align ? step * F(q) : step * (F(q) + F(0.5)) - F(0.5);
    if (mode == Mode::linear) {
      if (place < 0) place = 0;
      const int64_t low = std::min<int64_t>(int64_t(place), in - 1);
      F part = std::min(std::max(place - F(low), F(0)), F(1));
      at[0] = int32_t(low);
      at[1] = int32_t(std::min(low + 1, in - 1));
      w[0] = double(F(1) - part);
      w[1] = double(part);
      continue;
    }
    const F low = std::floor(place);
    const double part = double(place - low), a = -0.75;
    w[0] = cubic_far(part + 1, a);
    w[1] = cubic_near(part, a);
    w[2] = cubic_near(1 - part, a);
    w[3] = cubic_far(2 - part, a);
    for (int k = 0; k < 4; k++)
      at[k] = int32_t(std::min(std::max(int64_t(low) - 1 + k, int64_t(0)), in - 1));
  }
  return t;
}

// A filter as wide as the output's step, so that shrinking averages.
Table make_wide_table(int64_t in, int64_t out, Mode mode, bool align, double scale) {
  const double step = step_of<double>(in, out, align, scale);
  const double reach = (mode == Mode::cubic ? 2.0 : 1.0) * std::max(step, 1.0);
  const double shrink = step >= 1 ? 1.0 / step : 1.0;
  auto filter = [&](double x) {
    x = std::fabs(x);
    if (mode == Mode::linear) return x < 1 ? 1 - x : 0.0;
    return x < 1 ? cubic_near(x, -0.5) : x < 2 ? cubic_far(x, -0.5) : 0.0;
  };
  Table t;
  t.taps = int64_t(std::ceil(reach)) * 2 + 1;
  t.at.assign(size_t(out * t.taps), 0);
  t.w.assign(size_t(out * t.taps), 0);
  for (int64_t q = 0; q < out; q++) {
    const double center = step * (double(q) + 0.5);
    const int64_t lo = std::max<int64_t>(int64_t(center - reach + 0.5), 0);
    const int64_t hi = std::min<int64_t>(int64_t(center + reach + 0.5), in);
    double total = 0;
    for (int64_t k = 0; k < std::min(hi - lo, t.taps); k++) {
      t.at[size_t(q * t.taps + k)] = int32_t(lo + k);
      total += t.w[size_t(q * t.taps + k)] = filter((double(lo + k) - center + 0.5) * shrink);
    }
    for (int64_t k = 0; k < t.taps && total != 0; k++) t.w[size_t(q * t.taps + k)] /= total;
  }
  return t;
}

struct Request {
  Dims in, out;  // spatial sizes
  Mode mode;
  bool align, antialias;
  std::vector<double> scales;
};

Request request(const Dims& sizes, const Dims& out, int mode, bool align, bool antialias,
                const std::vector<double>& scales) {
  Request r{{}, out, Mode(mode), align, antialias, scales};
  MT_CHECK(sizes.n == out.n + 2, "interpolate(): expected an input of ", out.n + 2,
           " dimensions, but got ", sizes);
  for (int i = 0; i < out.n; i++) {
    r.in.push(sizes[2 + i]);
    MT_CHECK(r.in[i] > 0 && out[i] > 0,
             "interpolate(): Input and output sizes should be greater than 0, but got input ",
             sizes, " and output ", out);
  }
  return r;
}

Table table(const Request& r, int d, DType dtype) {
  const double scale = size_t(d) < r.scales.size() ? r.scales[size_t(d)] : 0;
  if (r.antialias) return make_wide_table(r.in[d], r.out[d], r.mode, r.align, scale);
  return dtype == DType::Float64 ? make_table<double>(r.in[d], r.out[d], r.mode, r.align, scale)
                                 : make_table<float>(r.in[d], r.out[d], r.mode, r.align, scale);
}

// The table of the gradient: which outputs an input went to.
Table transposed(const Table& t, int64_t in, int64_t out) {
  std::vector<int64_t> count(size_t(in), 0);
  Table u{1, {}, {}};
  for (size_t i = 0; i < t.at.size(); i++)
    if (t.w[i] != 0) u.taps = std::max(u.taps, ++count[size_t(t.at[i])]);
  u.at.assign(size_t(in * u.taps), 0);
  u.w.assign(size_t(in * u.taps), 0);
  std::fill(count.begin(), count.end(), 0);
  for (int64_t q = 0; q < out; q++)
    for (int64_t k = 0; k < t.taps; k++) {
      const size_t i = size_t(q * t.taps + k);
      if (t.w[i] == 0) continue;
      const int64_t p = t.at[i], place = p * u.taps + count[size_t(p)]++;
      u.at[size_t(place)] = int32_t(q);
      u.w[size_t(place)] = t.w[i];
    }
  return u;
}

DType compute_type(DType t) {
  return !is_floating(t) || t == DType::Float64 ? DType::Float64 : DType::Float32;
}

// Whether a dim is resampled: one that keeps its size is a copy, except that nearest and cubic
// sampling still follow a given scale.
bool changes(const Request& r, int d) {
  if (r.in[d] != r.out[d]) return true;
  const bool scaled =
      size_t(d) < r.scales.size() && r.scales[size_t(d)] > 0 && r.scales[size_t(d)] != 1;
  return scaled && r.mode != Mode::linear && !r.antialias;
}

// The dims that change, the cheapest order first: shrink early, grow late. Of equals the last dim
// comes last where they shrink, since rows are cheaper to combine than elements to gather.
std::vector<int> order_of(const Request& r) {
  std::vector<int> dims;
  for (int d = r.out.n - 1; d >= 0; d--)
    if (changes(r, d)) dims.push_back(d);
  std::stable_sort(dims.begin(), dims.end(), [&](int a, int b) {
    const double ra = double(r.out[a]) / double(r.in[a]), rb = double(r.out[b]) / double(r.in[b]);
    return ra != rb ? ra < rb : ra < 1 && a < b;
  });
  return dims;
}

// What the kernel takes: the first taps of all outputs, then the second ones ...
struct KernelTable {
  Tensor at, w;
  int64_t taps = 0;
};

KernelTable kernel_table(bool forward, const Request& r, int d, DType dtype) {
  Table t = table(r, d, dtype);
  if (!forward) t = transposed(t, r.in[d], r.out[d]);
  const int64_t out = forward ? r.out[d] : r.in[d];
  KernelTable k{empty({t.taps, out}, DType::Int32, {}), empty({t.taps, out}, dtype, {}), t.taps};
  for (int64_t q = 0; q < out; q++)
    for (int64_t tap = 0; tap < t.taps; tap++) {
      const size_t i = size_t(q * t.taps + tap), j = size_t(tap * out + q);
      k.at.data<int32_t>()[j] = t.at[i];
      if (dtype == DType::Float64) k.w.data<double>()[j] = t.w[i];
      else k.w.data<float>()[j] = float(t.w[i]);
    }
  return k;
}

KernelTable table_on_gpu(bool forward, const Request& r, int d, DType dtype, Device device) {
  KernelTable k = kernel_table(forward, r, d, dtype);
  k.at = to_device(k.at, device);
  k.w = to_device(k.w, device);
#if defined(MT_WITH_CUDA)
  cuda::synchronize(device.index);  // other streams will read them, too
#endif
  return k;
}

// A GPU keeps the tables that it has seen, for the sake of the time that their way there takes and
// of graphs, which may not wait for it. They stay until the process ends: a graph may point to
// them. Python's lock guards the map.
KernelTable kept_table(bool forward, const Request& r, int d, DType dtype, Device device) {
  using Key = std::tuple<bool, int64_t, int64_t, int, bool, bool, double, int, int>;
  constexpr size_t most = 4096;
  static auto* const kept = new std::map<Key, KernelTable>;
  const double scale = size_t(d) < r.scales.size() ? r.scales[size_t(d)] : 0;
  const Key key{forward,     r.in[d], r.out[d],   int(r.mode), r.align,
                r.antialias, scale,   int(dtype), device.index};
  if (auto found = kept->find(key); found != kept->end()) return found->second;
  KernelTable k = table_on_gpu(forward, r, d, dtype, device);
  if (kept->size() < most) (*kept)[key] = k;
  return k;
}

void run(bool forward, const Tensor& from, const Tensor& to, const Request& r, int d) {
  const Device device = from.device();
  const KernelTable t = device.is_cpu() ? kernel_table(forward, r, d, from.dtype())
                                        : kept_table(forward, r, d, from.dtype(), device);
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < 2 + d; i++) outer *= from.size(i);
  for (int i = 3 + d; i < from.dim(); i++) inner *= from.size(i);
  MT_DISPATCH(device, std::max(from.numel(), to.numel()), resample, from.dtype(), from.data(),
              to.data(), outer, from.size(2 + d), inner, to.size(2 + d), t.taps,
              t.at.data<int32_t>(), t.w.data(), !forward);
}

Tensor resample_forward(const Tensor& x, const Dims& out, int mode, bool align, bool antialias,
                        const std::vector<double>& scales) {
  const Request r = request(x.sizes(), out, mode, align, antialias, scales);
  MT_CHECK_KIND(ErrorKind::NotImplemented, x.dtype() != DType::Bool,
                "interpolate(): not implemented for 'Bool'");
  const DType t = compute_type(x.dtype());
  Tensor now = contiguous(to_dtype(x, t));
  bool fresh = t != x.dtype() || !x.is_contiguous();
  for (int d : order_of(r)) {
    Dims sizes = now.sizes();
    sizes[2 + d] = out[d];
    Tensor next = empty(sizes, t, x.device());
    if (next.numel()) run(true, now, next, r, d);
    now = next;
    fresh = true;
  }
  if (!fresh) {
    Tensor copy = empty_like(now);
    copy_into(copy, now);
    now = copy;
  }
  return to_dtype(now, x.dtype());
}

Tensor resample_backward(const Tensor& dy, const Dims& sizes, int mode, bool align, bool antialias,
                         const std::vector<double>& scales) {
  Dims out;
  for (int i = 2; i < dy.dim(); i++) out.push(dy.size(i));
  const Request r = request(sizes, out, mode, align, antialias, scales);
  const DType t = compute_type(dy.dtype());
  Tensor now = contiguous(to_dtype(dy, t));
  bool fresh = t != dy.dtype() || !dy.is_contiguous();
  std::vector<int> dims = order_of(r);
  for (size_t i = dims.size(); i-- > 0;) {
    const int d = dims[i];
    Dims next_sizes = now.sizes();
    next_sizes[2 + d] = r.in[d];
    Tensor next = empty(next_sizes, t, dy.device());
    if (next.numel()) run(false, now, next, r, d);
    now = next;
    fresh = true;
  }
  if (!fresh) {
    Tensor copy = empty_like(now);
    copy_into(copy, now);
    now = copy;
  }
  return to_dtype(now, dy.dtype());
}

}  // namespace

MT_BIND(interpolate) {
  def_op<&resample_forward>(m, "resample");
  def_op<&resample_backward>(m, "resample_backward");
}

}  // namespace mt
