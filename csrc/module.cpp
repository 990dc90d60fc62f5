// The extension minitorch._C: its types, the queries of the bottom layer, and, through MT_BIND,
// every op of csrc/ops.
#include "core/allocator.h"
#include "core/isa.h"
#include "core/parallel.h"
#include "python/bind.h"

PYBIND11_MODULE(_C, m) {
  using namespace mt;
  try {
    check_forced_isa();
  } catch (const Error& e) {
    throw pybind11::value_error(e.what());
  }
  pybind11::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const Error&) {
      translate_exception();
    }
  });
  init_dtype_type(m);
  init_tensor_type(m);
  init_node_type(m);

  m.def("isa", [] { return isa_name(isa()); });
  m.def("available_isas", [] { return available_isas(); });
  m.def("get_num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads);
  m.def("empty_cache", &empty_cache);
  m.def("set_memory_limit", &set_memory_limit);
  m.def("reset_peak_memory_stats", &reset_peak_memory_stats);
  m.def("memory_stats", [] {
    MemoryStats s = memory_stats();
    pybind11::dict d;
    d["allocated"] = s.allocated;
    d["peak_allocated"] = s.peak_allocated;
    d["reserved"] = s.reserved;
    d["peak_reserved"] = s.peak_reserved;
    d["allocations"] = s.allocations;
    d["cache_hits"] = s.cache_hits;
    return d;
  });
  run_bindings(m);
}
