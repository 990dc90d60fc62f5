// The handler of memory faults: a report if a kernel runs, a message if the host touched device
// memory, else whatever handled the signal before.
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstring>
#include <mutex>

#include "cuda/emulator/device_memory.h"
#include "cuda/emulator/report.h"
#include "cuda/emulator/scheduler.h"

namespace mt::emu {
namespace {

constexpr size_t kSignalStack = 128 << 10;
struct sigaction previous_segv, previous_bus;

const void* code_address(void* context) {
#if defined(__x86_64__)
  return reinterpret_cast<void*>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return reinterpret_cast<void*>(static_cast<ucontext_t*>(context)->uc_mcontext.pc);
#else
  (void)context;
  return nullptr;
#endif
}

const char* verb(void* context) {
#if defined(__x86_64__)
  const auto code = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR];
  return code & 16 ? "jumps to" : code & 2 ? "writes" : "reads";
#else
  (void)context;
  return "touches";
#endif
}

std::string fault_text(const Thread& t, const void* address, const siginfo_t* info, void* context) {
  const Fiber& f = *t.fiber;
  const char* at = static_cast<const char*>(address);
  if (at >= f.stack - kStackGuard && at < f.stack)
    return format("stack overflow: the local variables of a thread have %zu KiB here",
                  f.stack_size >> 10);
  if (in_device_arena(address))
    return format("out of bounds: %s %s", verb(context), describe_address(address).c_str());
  if (info->si_code == SI_KERNEL)
    return "faults: a vector access that is not aligned, or a wild address";
  if (uintptr_t(address) < 4096) return format("%s a null pointer", verb(context));
  return format("out of bounds: %s address %p, which is no memory of the device", verb(context),
                address);
}

void handle(int signal, siginfo_t* info, void* context) {
  const void* address = info->si_addr;
  if (Thread* t = current_thread) {
    Engine& e = *t->block->engine;
    e.set_report(fault_text(*t, address, info, context), "",
                 static_cast<const char*>(code_address(context)) + 1);
    e.abandon();
  }
  if (in_device_arena(address)) {
    const std::string text = format(
        "minitorch emulator: the host %s device memory at %p, %s. A GPU would crash here, too: "
        "copy with cudaMemcpy.\n",
        verb(context), address, describe_address(address).c_str());
    if (write(2, text.data(), text.size()) < 0) {
    }
  }
  // Returning repeats the access, now under the handler that was there before.
  sigaction(signal, signal == SIGSEGV ? &previous_segv : &previous_bus, nullptr);
}

struct SignalStack {
  void* memory = nullptr;
  SignalStack() {
    stack_t old{};
    sigaltstack(nullptr, &old);
    if (!(old.ss_flags & SS_DISABLE) && old.ss_size >= kSignalStack) return;
    memory =
        mmap(nullptr, kSignalStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      memory = nullptr;
      return;
    }
    stack_t stack{};
    stack.ss_sp = memory;
    stack.ss_size = kSignalStack;
    sigaltstack(&stack, nullptr);
  }
  ~SignalStack() {
    if (!memory) return;
    stack_t off{};
    off.ss_flags = SS_DISABLE;
    sigaltstack(&off, nullptr);
    munmap(memory, kSignalStack);
  }
};

}  // namespace

void prepare_thread() {
  static thread_local SignalStack stack;
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action{};
    action.sa_sigaction = handle;
    // The handler may leave by switching fibers, hence the signal must not stay blocked.
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &previous_segv);
    sigaction(SIGBUS, &action, &previous_bus);
  });
}

}  // namespace mt::emu
