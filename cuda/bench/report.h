// What a run prints and writes.
#pragma once
#include <string>
#include <vector>

#include "cuda/bench/bench.h"
#include "cuda/bench/ceilings.h"

namespace mt::cuda::bench {

struct Result {
  std::string name;
  Work work;
  Timing timing;
  int sets;  // of operands
  std::string error;
};

void print_ceilings(const Ceilings& c);
void print_result(const Result& r, const Ceilings& c);
void write_json(const std::string& path, const std::vector<Result>& results, const Ceilings& c);

}  // namespace mt::cuda::bench
