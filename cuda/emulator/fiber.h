// Fibers: stacks that one OS thread switches between. A fiber never moves to another OS thread.
#pragma once
#include <cstddef>
#include <cstdint>

#if !defined(MT_EMU_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define MT_EMU_UCONTEXT
#endif
#if defined(MT_EMU_UCONTEXT)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#define MT_EMU_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MT_EMU_ASAN 1
#endif
#endif

namespace mt::emu {

// Address space below each stack that faults: larger than any frame, so that none skips it.
constexpr size_t kStackGuard = 512 << 10;

struct Fiber {
#if defined(MT_EMU_UCONTEXT)
  ucontext_t context;
#else
  void* stack_pointer = nullptr;
#endif
  char* stack = nullptr;  // lowest usable byte; null for the OS thread's own stack
  size_t stack_size = 0;
  void* engine = nullptr;
#if defined(MT_EMU_ASAN)
  void* fake_stack = nullptr;
#endif
};

// A fiber that will call entry(fiber) when it is first switched to; entry never returns.
Fiber* create_fiber(void* engine, void (*entry)(Fiber*));
// Forget what runs on the fiber; it starts anew.
void reset_fiber(Fiber*, void (*entry)(Fiber*));
void destroy_fiber(Fiber*);

// Saves the running context into `from` and continues `to`. `abandon`: `from` will not be
// continued.
void switch_fiber(Fiber* from, Fiber* to, bool abandon = false);
// To be called first thing in a fresh fiber.
void fiber_started(Fiber*);

}  // namespace mt::emu
