// What the environment, or a program, asks of the emulator.
#pragma once
#include <cstdint>

namespace mt::emu {

enum class Order { Forward, Reverse, Random };
enum class Async { Early, Late };

struct Settings {
  Order order = Order::Forward;  // MINITORCH_EMULATOR_SCHEDULE = forward | reverse | random:SEED
  uint64_t seed = 0;
  Async async = Async::Early;    // MINITORCH_EMULATOR_ASYNC = early | late
  bool checks = true;            // MINITORCH_EMULATOR_CHECKS = 0 | 1
  bool host_check = false;       // MINITORCH_EMULATOR_HOST_CHECK = 0 | 1
  int threads = 0;               // MINITORCH_EMULATOR_THREADS; 0 = min(cores, 4)
  uint64_t memory = 4ull << 30;  // MINITORCH_EMULATOR_MEMORY, bytes
};

// Not to be changed while a kernel runs.
Settings& settings();
void set_schedule(Order order, uint64_t seed = 0);
void set_async(Async);
void set_checks(bool);
inline bool async_late() { return settings().async == Async::Late; }

}  // namespace mt::emu
