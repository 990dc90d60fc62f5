// The measured roofs, for `minitorch bench`.
#include "bench/ceilings.h"

#include "python/bind.h"

namespace mt {

MT_BIND(ceilings) {
  m.def("_measure_ceilings", [](int threads) {
    MT_CHECK_VALUE(threads > 0, "_measure_ceilings(): expected a positive number of threads, got ",
                   threads);
    Ceilings c;
    {
      py::gil_scoped_release no_gil;
      c = measure_ceilings(threads);
    }
    py::dict levels;
    for (int level = 0; level < kLevels; level++) {
      py::dict d;
      d["read"] = c.read[level];
      d["copy"] = c.copy[level];
      d["working_set"] = c.working_set[level];
      levels[level_name(level)] = d;
    }
    py::dict result;
    result["threads"] = c.threads;
    result["flops"] = c.flops;
    result["levels"] = levels;
    return result;
  });
  m.def("_memory_level",
        [](double bytes, int threads) { return level_name(level_of(bytes, threads)); });
}

}  // namespace mt
