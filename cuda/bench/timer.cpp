#include "cuda/bench/timer.h"

#include <algorithm>
#include <cmath>

#include "cuda/core/device.h"

namespace mt::cuda::bench {
namespace {

class Stopwatch {
 public:
  Stopwatch() : device_(current_device()) {
    start_ = new_event(device_, true, false);
    end_ = new_event(device_, true, false);
  }
  ~Stopwatch() {
    delete_event(start_);
    delete_event(end_);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  // Seconds per call; `next` is where the round of operands goes on.
  double batch(const std::vector<std::function<void()>>& calls, int count, size_t* next) {
    void* stream = current_stream(device_);
    record_event(device_, start_, stream);
    for (int i = 0; i < count; i++) calls[(*next)++ % calls.size()]();
    record_event(device_, end_, stream);
    check_launch("a benchmark", device_);
    synchronize_event(end_);
    return elapsed_ms(start_, end_) * 1e-3 / count;
  }

 private:
  int device_;
  void *start_, *end_;
};

}  // namespace

Timing measure(const std::vector<std::function<void()>>& calls, const Plan& plan) {
  Stopwatch watch;
  size_t next = 0;
  watch.batch(calls, int(calls.size()), &next);
  int count = plan.least_calls;
  if (plan.batch_ms > 0) {
    // The clock of an idle device is low at first: the length of a batch is set twice.
    for (int i = 0; i < 2; i++) {
      const double once = std::max(watch.batch(calls, count, &next), 1e-7);
      const int most = once * 1e3 >= plan.batch_ms ? 1 : plan.least_calls;
      count = std::max(most, int(std::ceil(plan.batch_ms * 1e-3 / once)));
    }
  }
  std::vector<double> times;
  for (int i = 0; i < plan.batches; i++) times.push_back(watch.batch(calls, count, &next));
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times.front(), times.back(), count};
}

}  // namespace mt::cuda::bench
