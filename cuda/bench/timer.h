// Time on the device, by events around batches of calls.
#pragma once
#include <functional>
#include <vector>

namespace mt::cuda::bench {

struct Plan {
  int batches = 11;
  double batch_ms = 2;
  int least_calls = 3;  // of a batch, where one does not take that long
};
constexpr Plan kSmokePlan{1, 0, 1};

struct Timing {
  double median, least, most;  // seconds per call, over the batches
  int calls;                   // of a batch
};

// Runs every call once, then batches that go round them. Where calls are shorter than a launch
// takes on the host, the time is the host's.
Timing measure(const std::vector<std::function<void()>>& calls, const Plan& plan);

}  // namespace mt::cuda::bench
