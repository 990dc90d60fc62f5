// One declaration of a kernel serves every instruction set and every device.
//
//   MT_KERNEL(softmax_forward, void(DType dtype, const void* x, void* y, int64_t rows, int64_t n))
//
// In csrc/ops it gives mt::cpu::softmax_forward, a pointer chosen once at load, and (in a CUDA
// build) the function mt::cuda::softmax_forward of the same signature. In csrc/kernels, which is
// compiled once per instruction set with MT_ISA naming it, it declares
// mt::cpu::<isa>::softmax_forward, which that file must define.
// MT_KERNEL_CPU_ONLY says that an op has no CUDA twin. In cuda/kernels, compiled with
// MT_CUDA_KERNELS, only the CUDA function is declared.
#pragma once
#include "core/macros.h"

namespace mt {

enum class Isa : int { baseline, avx2, avx512, neon };

// The instruction set in use: the best that the machine runs, or what MINITORCH_ISA names.
Isa isa();
const char* isa_name(Isa isa);
// The sets that this build has and this machine runs, best first, comma separated.
const char* available_isas();
// Throws where MINITORCH_ISA names a set that this machine cannot run.
void check_forced_isa();

}  // namespace mt

#if defined(MT_CUDA_KERNELS)

#define MT_KERNEL_CPU_ONLY(name, ...)
#define MT_KERNEL(name, ...)     \
  namespace mt::cuda {           \
  using name##_fn = __VA_ARGS__; \
  name##_fn name;                \
  }

#elif defined(MT_ISA)

#define MT_KERNEL_CPU_ONLY(name, ...) \
  namespace mt::cpu::MT_ISA {         \
  using name##_fn = __VA_ARGS__;      \
  name##_fn name;                     \
  }
#define MT_KERNEL(name, ...) MT_KERNEL_CPU_ONLY(name, __VA_ARGS__)

#else

namespace mt {
template <class Fn>
Fn* select_isa(Fn* baseline, Fn* avx2, Fn* avx512) {
  return isa() == Isa::avx512 ? avx512 : isa() == Isa::avx2 ? avx2 : baseline;
}
}  // namespace mt

#if defined(MT_ONLY_ISA)  // a development build with one instruction set
#define MT_KERNEL_CPU_ONLY(name, ...)                \
  namespace mt::cpu {                                \
  using name##_fn = __VA_ARGS__;                     \
  namespace MT_ONLY_ISA {                            \
  name##_fn name;                                    \
  }                                                  \
  inline name##_fn* const name = &MT_ONLY_ISA::name; \
  }
#elif defined(__x86_64__)
#define MT_KERNEL_CPU_ONLY(name, ...)                                                     \
  namespace mt::cpu {                                                                     \
  using name##_fn = __VA_ARGS__;                                                          \
  namespace baseline {                                                                    \
  name##_fn name;                                                                         \
  }                                                                                       \
  namespace avx2 {                                                                        \
  name##_fn name;                                                                         \
  }                                                                                       \
  namespace avx512 {                                                                      \
  name##_fn name;                                                                         \
  }                                                                                       \
  inline name##_fn* const name = select_isa(&baseline::name, &avx2::name, &avx512::name); \
  }
#else
#define MT_KERNEL_CPU_ONLY(name, ...)         \
  namespace mt::cpu {                         \
  using name##_fn = __VA_ARGS__;              \
  namespace neon {                            \
  name##_fn name;                             \
  }                                           \
  inline name##_fn* const name = &neon::name; \
  }
#endif

#if defined(MT_WITH_CUDA)
#define MT_KERNEL(name, ...)            \
  MT_KERNEL_CPU_ONLY(name, __VA_ARGS__) \
  namespace mt::cuda {                  \
  cpu::name##_fn name;                  \
  }
#else
#define MT_KERNEL(name, ...) MT_KERNEL_CPU_ONLY(name, __VA_ARGS__)
#endif
#endif
