#include "cuda/emulator/settings.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace mt::emu {
namespace {

[[noreturn]] void reject(const char* variable, const char* value, const char* expected) {
  std::fprintf(stderr, "%s=%s: expected %s\n", variable, value, expected);
  std::exit(2);
}

bool flag(const char* variable, bool otherwise) {
  const char* value = std::getenv(variable);
  return value && *value ? std::strcmp(value, "0") != 0 : otherwise;
}

uint64_t number(const char* variable, uint64_t otherwise) {
  const char* value = std::getenv(variable);
  if (!value || !*value) return otherwise;
  char* end;
  const uint64_t n = std::strtoull(value, &end, 0);
  if (*end) reject(variable, value, "a number");
  return n;
}

Settings from_environment() {
  Settings s;
  if (const char* value = std::getenv("MINITORCH_EMULATOR_SCHEDULE"); value && *value) {
    char* end = nullptr;
    if (!std::strcmp(value, "forward")) {
      s.order = Order::Forward;
    } else if (!std::strcmp(value, "reverse")) {
      s.order = Order::Reverse;
    } else if (!std::strncmp(value, "random:", 7)) {
      s.order = Order::Random;
      s.seed = std::strtoull(value + 7, &end, 0);
      if (*end || end == value + 7)
        reject("MINITORCH_EMULATOR_SCHEDULE", value, "a number behind random:");
    } else {
      reject("MINITORCH_EMULATOR_SCHEDULE", value, "forward, reverse or random:SEED");
    }
  }
  if (const char* value = std::getenv("MINITORCH_EMULATOR_ASYNC"); value && *value) {
    if (std::strcmp(value, "early") && std::strcmp(value, "late"))
      reject("MINITORCH_EMULATOR_ASYNC", value, "early or late");
    s.async = std::strcmp(value, "late") ? Async::Early : Async::Late;
  }
  s.checks = flag("MINITORCH_EMULATOR_CHECKS", s.checks);
  s.host_check = flag("MINITORCH_EMULATOR_HOST_CHECK", s.host_check);
  s.threads = int(number("MINITORCH_EMULATOR_THREADS", 0));
  s.memory = number("MINITORCH_EMULATOR_MEMORY", s.memory);
  return s;
}

}  // namespace

Settings& settings() {
  static Settings one = from_environment();
  return one;
}

void set_schedule(Order order, uint64_t seed) {
  settings().order = order;
  settings().seed = seed;
}
void set_async(Async async) { settings().async = async; }
void set_checks(bool checks) { settings().checks = checks; }

}  // namespace mt::emu
