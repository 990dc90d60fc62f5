// What measures rather than computes: the roofs for `minitorch bench`, errors for
// benchmarks/ulp.py.
#include "bench/ceilings.h"
#include "bench/ulp.h"

#include "python/bind.h"

namespace mt {

MT_BIND(measure) {
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
  m.def("_max_ulp_error",
        [](const std::string& name, uint32_t first, uint32_t stride, int64_t count) {
          UlpError e;
          {
            py::gil_scoped_release no_gil;
            e = max_ulp_error(name.c_str(), first, stride, count);
          }
          return py::make_tuple(e.error, e.bits);
        });
}

}  // namespace mt
