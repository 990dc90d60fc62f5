#include "cuda/emulator/report.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "cuda/emulator/scheduler.h"

namespace mt::emu {
namespace {

std::mutex mutex;
std::string last;
int count = 0;

// Functions of the emulator are on the way to the line that is to blame.
bool is_internal(const std::string& path) {
  return path.find("cuda/emulator/") != std::string::npos ||
         path.find("cuda/core/simt.h") != std::string::npos ||
         path.find("cuda/core/ptx") != std::string::npos ||
         path.find("/include/c++/") != std::string::npos;
}

std::string shorten(std::string line) {
  if (size_t at = line.find(" (discriminator"); at != std::string::npos) line.resize(at);
  return line;
}

}  // namespace

std::string format(const char* pattern, ...) {
  va_list args;
  va_start(args, pattern);
  char text[1024];
  std::vsnprintf(text, sizeof(text), pattern, args);
  va_end(args);
  return text;
}

std::string text_of(uint3 v) { return format("(%u,%u,%u)", v.x, v.y, v.z); }

std::string text_of(Location where) { return format("%s:%u", where.file_name(), where.line()); }

std::string source_line(const void* pc) {
  Dl_info info{};
  link_map* map = nullptr;
  // One byte back: pc is a return address, the call is before it.
  const char* at = static_cast<const char*>(pc) - 1;
  if (!dladdr1(at, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) || !info.dli_fname)
    return format("address %p", pc);
  std::string file = info.dli_fname;
  if (map && map->l_name && !map->l_name[0]) file = "/proc/self/exe";
  char executable[4096];
  if (ssize_t n = readlink(file.c_str(), executable, sizeof(executable) - 1); n > 0)
    file.assign(executable, size_t(n));
  const size_t offset = size_t(at - reinterpret_cast<const char*>(map ? map->l_addr : 0));
  if (file.find('\'') == std::string::npos) {
    std::string command = format("addr2line -i -e '%s' 0x%zx 2>/dev/null", file.c_str(), offset);
    if (FILE* pipe = popen(command.c_str(), "r")) {
      char line[2048];
      std::string outermost;
      while (std::fgets(line, sizeof(line), pipe)) {
        line[std::strcspn(line, "\n")] = 0;
        if (line[0] == '?') break;
        outermost = shorten(line);
        if (!is_internal(outermost)) break;
      }
      while (std::fgets(line, sizeof(line), pipe)) {
      }
      pclose(pipe);
      if (!outermost.empty()) return outermost;
    }
  }
  if (info.dli_sname)
    return format("%s+0x%zx", info.dli_sname,
                  size_t(at - static_cast<const char*>(info.dli_saddr)));
  return format("%s+0x%zx", file.c_str(), offset);
}

std::string last_report() {
  std::lock_guard lock(mutex);
  return last;
}
void clear_last_report() {
  std::lock_guard lock(mutex);
  last.clear();
}
int report_count() {
  std::lock_guard lock(mutex);
  return count;
}
void set_last_report(std::string text) {
  std::lock_guard lock(mutex);
  last = std::move(text);
  ++count;
}

std::string kernel_name(const Launch& l) {
  std::string name;
  if (l.name) {
    name = l.name;
  } else {
    Dl_info info{};
    if (dladdr(l.function, &info) && info.dli_sname) {
      int status = 0;
      char* readable = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
      name = readable ? readable : info.dli_sname;
      std::free(readable);
      name.resize(std::min(name.size(), name.find('(')));
    } else {
      name = source_line(static_cast<const char*>(l.function) + 1);
    }
  }
  if (name.size() > 2 && name.front() == '(' && name.back() == ')')
    name = name.substr(1, name.size() - 2);
  return name;
}

bool is_global_variable(const void* p) {
  Dl_info info{};
  return dladdr(p, &info) != 0;
}

namespace {

[[noreturn]] void stop(std::string what, std::string line, const void* pc) {
  if (!current_thread) throw std::logic_error(what + " (outside of a kernel)");
  Engine& e = *current_thread->block->engine;
  e.set_report(std::move(what), std::move(line), pc);
  e.abandon();
}

std::string thread_list(const std::vector<const Thread*>& threads) {
  std::string text;
  for (size_t i = 0; i < threads.size(); ++i) {
    if (i == 4) return text + format(" ... (%zu threads)", threads.size());
    text += (i ? " " : "") + text_of(threads[i]->thread_idx);
  }
  return text;
}

// What a thread that waits in a warp function waits for, if the missing lane is stuck elsewhere.
std::string missing_lanes(const Block& b) {
  for (const Warp& w : b.warps) {
    for (const Rendezvous& m : w.meetings) {
      if (!m.mask || !m.missing) continue;
      const int lane = __builtin_ctz(m.missing);
      const Thread& t = b.threads[(&w - b.warps) * kWarp + lane];
      return format(
          "%s of %s waits for lane %d of its mask 0x%08x, thread %s, which waits at %s of "
          "%s",
          m.what, text_of(m.where).c_str(), lane, m.mask, text_of(t.thread_idx).c_str(),
          t.waiting_for, text_of(t.where).c_str());
    }
  }
  return "";
}

}  // namespace

void fail(std::string what, Location where) { stop(std::move(what), text_of(where), nullptr); }
void fail_at(std::string what, const void* pc) { stop(std::move(what), "", pc); }

void Engine::set_report(std::string what, std::string line, const void* pc) {
  const Thread& t = *current_thread;
  report = format("kernel %s, block %s, thread %s: ", kernel_name(*launch).c_str(),
                  text_of(t.block->block_idx).c_str(), text_of(t.thread_idx).c_str()) +
           what;
  if (!line.empty()) report += "\n  at " + line;
  report_pc = pc;
}

void Engine::deadlock(const char* headline) {
  report = format("kernel %s: deadlock, %s", kernel_name(*launch).c_str(), headline);
  for (Block* b : wave) {
    if (b->live == 0) continue;
    if (std::string text = missing_lanes(*b); !text.empty())
      report += format("\n  block %s: ", text_of(b->block_idx).c_str()) + text;
    std::map<std::string, std::vector<const Thread*>> places;
    for (uint32_t i = 0; i < b->size; ++i) {
      const Thread& t = b->threads[i];
      if (t.state == State::Done) places["exited"].push_back(&t);
      else
        places[format("waits at %s of %s", t.waiting_for, text_of(t.where).c_str())].push_back(&t);
    }
    for (auto& [place, threads] : places)
      report += format("\n  block %s, thread%s ", text_of(b->block_idx).c_str(),
                       threads.size() > 1 ? "s" : "") +
                thread_list(threads) + ": " + place;
  }
  report_pc = nullptr;
  abandon();
}

}  // namespace mt::emu
