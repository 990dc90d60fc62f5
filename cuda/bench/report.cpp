#include "cuda/bench/report.h"

#include <cmath>
#include <cstdio>
#include <memory>

#include "core/check.h"
#include "cuda/core/device.h"

namespace mt::cuda::bench {
namespace {

// The least time that the roofs allow, and which of them it comes from.
struct Floor {
  double seconds;
  const char* roof;
};
Floor floor_of(const Work& w, const Ceilings& c) {
  const double peak = w.unit == Unit::fp32 ? c.fp32 : w.unit == Unit::tf32 ? c.tf32 : c.half;
  const double moving = w.bytes / (w.only_reads ? c.read : c.copy);
  const double computing = peak > 0 ? w.flops / peak : 0;
  if (computing <= moving) return {moving, "memory"};
  return {computing, w.unit == Unit::fp32 ? "fp32" : w.unit == Unit::tf32 ? "tf32" : "half"};
}

void print_string(std::FILE* f, const std::string& text) {
  std::fputc('"', f);
  for (char c : text) {
    if (c == '"' || c == '\\') std::fputc('\\', f);
    if (c == '\n') std::fputs("\\n", f);
    else if (static_cast<unsigned char>(c) >= 0x20) std::fputc(c, f);
  }
  std::fputc('"', f);
}

// JSON has no infinities.
void print_number(std::FILE* f, const char* key, double v) {
  if (std::isfinite(v)) std::fprintf(f, "\"%s\": %.6g", key, v);
  else std::fprintf(f, "\"%s\": null", key);
}

void print_json(std::FILE* f, const Result& r, const Ceilings& c) {
  std::fputs("{\"name\": ", f);
  print_string(f, r.name);
  if (!r.error.empty()) {
    std::fputs(", \"error\": ", f);
    print_string(f, r.error);
    std::fputc('}', f);
    return;
  }
  const Floor floor = floor_of(r.work, c);
  const std::pair<const char*, double> numbers[] = {
      {"seconds", r.timing.median}, {"least", r.timing.least},
      {"most", r.timing.most},      {"flops", r.work.flops},
      {"bytes", r.work.bytes},      {"percent", 100 * floor.seconds / r.timing.median},
  };
  for (const auto& [key, value] : numbers) {
    std::fputs(", ", f);
    print_number(f, key, value);
  }
  std::fprintf(f, ", \"roof\": \"%s\", \"calls\": %d, \"sets\": %d}", floor.roof, r.timing.calls,
               r.sets);
}

}  // namespace

void print_ceilings(const Ceilings& c) {
  const Properties p = properties(current_device());
  std::printf("%s, compute capability %d.%d, %d multiprocessors, %lld MiB of cache\n",
              p.name.c_str(), p.major, p.minor, p.multi_processors,
              static_cast<long long>(p.l2_cache >> 20));
  if (is_emulated()) std::printf("this device is emulated: its times say nothing about a GPU\n");
  std::printf("memory   copy %8.1f GB/s   read %8.1f GB/s\n", c.copy * 1e-9, c.read * 1e-9);
  std::printf("float32  multiply-add %8.2f TFLOP/s\n", c.fp32 * 1e-12);
  std::printf("products tf32 %8.2f TFLOP/s   bfloat16 %8.2f TFLOP/s\n\n", c.tf32 * 1e-12,
              c.half * 1e-12);
  std::printf("%-58s %12s %9s %9s   %s\n", "case", "microseconds", "TFLOP/s", "GB/s",
              "of the roof");
  std::fflush(stdout);
}

void print_result(const Result& r, const Ceilings& c) {
  if (!r.error.empty()) {
    std::printf("%-58s failed: %s\n", r.name.c_str(), r.error.c_str());
  } else {
    const double t = r.timing.median;
    const Floor floor = floor_of(r.work, c);
    std::printf("%-58s %12.2f %9.3f %9.1f %5.1f %% %s\n", r.name.c_str(), t * 1e6,
                r.work.flops / t * 1e-12, r.work.bytes / t * 1e-9, 100 * floor.seconds / t,
                floor.roof);
  }
  std::fflush(stdout);
}

void write_json(const std::string& path, const std::vector<Result>& results, const Ceilings& c) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), &std::fclose);
  MT_CHECK(file != nullptr, "cannot write ", path);
  std::FILE* f = file.get();
  std::fputs("{\"device\": ", f);
  print_string(f, properties(current_device()).name);
  std::fprintf(f, ", \"emulated\": %s,\n \"ceilings\": {", is_emulated() ? "true" : "false");
  const std::pair<const char*, double> roofs[] = {
      {"copy", c.copy}, {"read", c.read}, {"fp32", c.fp32}, {"tf32", c.tf32}, {"half", c.half}};
  const char* separator = "";
  for (const auto& [key, value] : roofs) {
    std::fputs(separator, f);
    print_number(f, key, value);
    separator = ", ";
  }
  std::fputs("},\n \"results\": [", f);
  separator = "\n  ";
  for (const Result& r : results) {
    std::fputs(separator, f);
    print_json(f, r, c);
    separator = ",\n  ";
  }
  std::fputs("\n]}\n", f);
}

}  // namespace mt::cuda::bench
