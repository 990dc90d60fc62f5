#include "cuda/emulator/fiber.h"

#include <pthread.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(MT_EMU_ASAN)
extern "C" {
void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, size_t size);
void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom, size_t* size);
void __asan_unpoison_memory_region(const volatile void* address, size_t size);
}
#endif

namespace mt::emu {
namespace {

constexpr size_t kPage = 4096;
#if defined(MT_EMU_ASAN) || !defined(__OPTIMIZE__)
constexpr size_t kStack = 256 << 10;
#else
constexpr size_t kStack = 64 << 10;
#endif

}  // namespace

// The switch stores the registers that a call must preserve on the stack it leaves.
#if !defined(MT_EMU_UCONTEXT)
extern "C" void mt_emu_switch(void** save, void* to);
extern "C" void mt_emu_enter();
#if defined(__x86_64__)
asm(R"(
.text
.p2align 4
.type mt_emu_switch, @function
.hidden mt_emu_switch
.globl mt_emu_switch
mt_emu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size mt_emu_switch, .-mt_emu_switch

.type mt_emu_enter, @function
.hidden mt_emu_enter
.globl mt_emu_enter
mt_emu_enter:
  .cfi_startproc
  .cfi_undefined rip
  movq %r12, %rdi
  callq *%rbx
  ud2
  .cfi_endproc
.size mt_emu_enter, .-mt_emu_enter
)");
#elif defined(__aarch64__)
asm(R"(
.text
.p2align 4
.type mt_emu_switch, %function
.hidden mt_emu_switch
.globl mt_emu_switch
mt_emu_switch:
  sub sp, sp, #176
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #176
  ret
.size mt_emu_switch, .-mt_emu_switch

.type mt_emu_enter, %function
.hidden mt_emu_enter
.globl mt_emu_enter
mt_emu_enter:
  .cfi_startproc
  .cfi_undefined x30
  mov x0, x20
  blr x19
  brk #1
  .cfi_endproc
.size mt_emu_enter, .-mt_emu_enter
)");
#endif
#else
namespace {
// makecontext passes ints only.
void ucontext_entry(unsigned entry_high, unsigned entry_low, unsigned fiber_high,
                    unsigned fiber_low) {
  auto join = [](unsigned high, unsigned low) { return uintptr_t(uint64_t(high) << 32 | low); };
  auto* fiber = reinterpret_cast<Fiber*>(join(fiber_high, fiber_low));
  reinterpret_cast<void (*)(Fiber*)>(join(entry_high, entry_low))(fiber);
}
}  // namespace
#endif

Fiber* create_fiber(void* engine, void (*entry)(Fiber*)) {
  // Equal offsets in all stacks would compete for the same cache sets.
  static std::atomic<unsigned> counter{0};
  size_t stagger = (counter++ % 16) * 5 * 64;
  size_t bytes = kStackGuard + kStack + kPage;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, kStackGuard, PROT_NONE);
  auto* fiber = new Fiber;
  fiber->engine = engine;
  fiber->stack = static_cast<char*>(memory) + kStackGuard;
  fiber->stack_size = kStack + kPage - stagger;
  reset_fiber(fiber, entry);
  return fiber;
}

void reset_fiber(Fiber* fiber, void (*entry)(Fiber*)) {
  char* top = fiber->stack + fiber->stack_size;
#if defined(MT_EMU_ASAN)
  __asan_unpoison_memory_region(fiber->stack, fiber->stack_size);
  fiber->fake_stack = nullptr;
#endif
#if defined(MT_EMU_UCONTEXT)
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = fiber->stack;
  fiber->context.uc_stack.ss_size = size_t(top - fiber->stack);
  fiber->context.uc_link = nullptr;
  auto high = [](auto p) { return unsigned(uint64_t(reinterpret_cast<uintptr_t>(p)) >> 32); };
  auto low = [](auto p) { return unsigned(reinterpret_cast<uintptr_t>(p)); };
  makecontext(&fiber->context, reinterpret_cast<void (*)()>(ucontext_entry), 4, high(entry),
              low(entry), high(fiber), low(fiber));
#elif defined(__x86_64__)
  auto** frame = reinterpret_cast<void**>(top) - 11;
  std::memset(frame, 0, 11 * sizeof(void*));
  frame[3] = fiber;                           // r12
  frame[4] = reinterpret_cast<void*>(entry);  // rbx
  frame[6] = reinterpret_cast<void*>(&mt_emu_enter);
  fiber->stack_pointer = frame;
#else
  auto** frame = reinterpret_cast<void**>(top) - 22;
  std::memset(frame, 0, 22 * sizeof(void*));
  frame[0] = reinterpret_cast<void*>(entry);  // x19
  frame[1] = fiber;                           // x20
  frame[11] = reinterpret_cast<void*>(&mt_emu_enter);
  fiber->stack_pointer = frame;
#endif
}

void destroy_fiber(Fiber* fiber) {
  if (fiber->stack) munmap(fiber->stack - kStackGuard, kStackGuard + kStack + kPage);
  delete fiber;
}

__attribute__((noinline)) void switch_fiber(Fiber* from, Fiber* to, bool abandon) {
#if defined(MT_EMU_ASAN)
  if (!to->stack) {
    // The OS thread's own stack: its bounds are asked for once.
    pthread_attr_t attributes;
    void* base;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &base, &to->stack_size);
    pthread_attr_destroy(&attributes);
    __sanitizer_start_switch_fiber(abandon ? nullptr : &from->fake_stack, base, to->stack_size);
  } else {
    __sanitizer_start_switch_fiber(abandon ? nullptr : &from->fake_stack, to->stack,
                                   to->stack_size);
  }
#endif
  (void)abandon;
#if defined(MT_EMU_UCONTEXT)
  swapcontext(&from->context, &to->context);
#else
  mt_emu_switch(&from->stack_pointer, to->stack_pointer);
#endif
#if defined(MT_EMU_ASAN)
  __sanitizer_finish_switch_fiber(from->fake_stack, nullptr, nullptr);
#endif
}

void fiber_started([[maybe_unused]] Fiber* fiber) {
#if defined(MT_EMU_ASAN)
  __sanitizer_finish_switch_fiber(fiber->fake_stack, nullptr, nullptr);
#endif
}

}  // namespace mt::emu
