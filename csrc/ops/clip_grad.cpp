#include "ops/clip_grad.h"

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
  const Device device = flat[0].device();
  Tensor norm = empty({}, flat[0].dtype(), device), partial;
  if (device.is_cpu()) partial = empty({ceil_div(total, kGrain)}, DType::Float64);
  MT_DISPATCH(device, total, clip_grad_norm, flat[0].dtype(), items.data(), int64_t(items.size()),
              total, partial ? partial.data<double>() : nullptr, norm.data());
  return norm;
}

// All tensors times max_norm / (norm + 1e-6) where that is below 1; the host need not wait to know.
void clip_all_(const Tensors& tensors, const Tensor& norm, double max_norm) {
  MT_CHECK(norm.numel() == 1, "clip_all_(): expected a norm of one element, got shape ",
           norm.sizes());
  Tensors flat = checked(tensors, "clip_all_");
  Tensor wide = to_device(to_dtype(norm, DType::Float64), flat[0].device());
  int64_t total;
  std::vector<ClipItem> items = join(flat, &total);
  for (const Tensor& t : tensors) {
    check_no_overlap(t, "clip_all_");
    t.bump_version();
  }
  if (total > 0)
    MT_DISPATCH(flat[0].device(), total, clip_grad_scale, flat[0].dtype(), items.data(),
                int64_t(items.size()), total, wide.data<double>(), max_norm);
  for (size_t i = 0; i < flat.size(); i++)
    if (flat[i].data() != tensors[i].data()) copy_into(tensors[i], flat[i]);
}

}  // namespace

MT_BIND(clip_grad) {
  def_plain<&total_norm>(m, "total_norm");
  def_plain<&clip_all_, kAnyDevice>(m, "clip_all_");
}

}  // namespace mt
