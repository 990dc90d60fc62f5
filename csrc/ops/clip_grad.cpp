#include "ops/clip_grad.h"

#include <cmath>

#include "ops/dispatch.h"

namespace mt {
namespace {

using Tensors = std::vector<Tensor>;

// Contiguous tensors of one floating dtype, end to end.
std::vector<ClipItem> join(const Tensors& tensors, int64_t* total) {
  std::vector<ClipItem> items;
  *total = 0;
  for (const Tensor& t : tensors) {
    if (t.numel() == 0) continue;
    items.push_back({t.data(), *total, t.numel()});
    *total += t.numel();
  }
  return items;
}

Tensors checked(const Tensors& tensors, const char* name) {
  MT_CHECK(!tensors.empty(), name, "(): no tensors");
  Tensors out;
  for (const Tensor& t : tensors) {
    check_floating(t, name, "tensors");
    check_same_device(tensors[0], t, name);
    MT_CHECK(t.dtype() == tensors[0].dtype(), name, "(): tensors of ", tensors[0].dtype(), " and ",
             t.dtype());
    out.push_back(contiguous(t));
  }
  return out;
}

// The 2-norm of all elements, 0-dim.
Tensor total_norm(const Tensors& tensors) {
  Tensors flat = checked(tensors, "total_norm");
  int64_t total;
  std::vector<ClipItem> items = join(flat, &total);
  std::vector<double> partial(size_t(ceil_div(total, kGrain)));
  if (total > 0)
    MT_DISPATCH(flat[0].device(), total, clip_grad_squares, flat[0].dtype(), items.data(),
                int64_t(items.size()), total, partial.data());
  double sum = 0;
  for (double p : partial) sum += p;
  return scalar_tensor(Scalar::of(std::sqrt(sum)), flat[0].dtype(), flat[0].device());
}

void scale_all_(const Tensors& tensors, double factor) {
  Tensors flat = checked(tensors, "scale_all_");
  int64_t total;
  std::vector<ClipItem> items = join(flat, &total);
  for (const Tensor& t : tensors) {
    check_no_overlap(t, "scale_all_");
    t.bump_version();
  }
  if (total > 0)
    MT_DISPATCH(flat[0].device(), total, clip_grad_scale, flat[0].dtype(), items.data(),
                int64_t(items.size()), total, factor);
  for (size_t i = 0; i < flat.size(); i++)
    if (flat[i].data() != tensors[i].data()) copy_into(tensors[i], flat[i]);
}

}  // namespace

MT_BIND(clip_grad) {
  def_plain<&total_norm>(m, "total_norm");
  def_plain<&scale_all_>(m, "scale_all_");
}

}  // namespace mt
