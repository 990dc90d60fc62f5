// The rule that all tensors of a call lie on one device, checked where arguments are converted, so
// that no op has to think of it. As in PyTorch, a 0-dim CPU tensor among operands on a GPU counts
// as a number: it is moved there.
#pragma once
#include "python/convert.h"

namespace mt {

enum Devices { kSameDevice, kAnyDevice };

#if defined(MT_WITH_CUDA)
namespace detail {

[[noreturn]] void raise_mixed_devices(const char* name, Device a, Device b);
void move_operand(Operand& operand, Device device);

// The device of a call's tensors; only operands that may be numbers are left out.
struct CommonDevice {
  const char* name;
  bool found = false, on_gpu = false;
  Device device;

  void add(Device d) {
    if (found && !(d == device)) raise_mixed_devices(name, device, d);
    found = true;
    device = d;
    on_gpu = !d.is_cpu();
  }
  static bool is_number(const Operand& o) {
    return !o.tensor || (o.tensor->dim() == 0 && o.tensor->device().is_cpu());
  }
  template <class T>
  void see(const T&) {}
  void see(const Tensor& t) {
    if (t) add(t.device());
  }
  void see(const std::optional<Tensor>& t) {
    if (t) see(*t);
  }
  void see(const std::vector<Tensor>& v) {
    for (const Tensor& t : v) see(t);
  }
  void see(const Operand& o) {
    if (!is_number(o)) add(o.tensor->device());
  }
  template <class T>
  void move(T&) const {}
  void move(Operand& o) const {
    if (o.tensor && is_number(o)) move_operand(o, device);
  }
};

template <class... T>
void gather_devices(const char* name, T&... values) {
  CommonDevice common{name};
  (common.see(values), ...);
  if (MT_UNLIKELY(common.on_gpu)) (common.move(values), ...);
}

}  // namespace detail
#endif
}  // namespace mt
