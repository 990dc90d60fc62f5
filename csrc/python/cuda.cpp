// minitorch._C.cuda_*: what minitorch/cuda is built on. Handles of streams, events and graphs are
// integers here. In a build without CUDA all but the first three raise.
#include "ops/dispatch.h"

namespace mt {
namespace {

#if defined(MT_WITH_CUDA)
void* handle(int64_t v) { return reinterpret_cast<void*>(v); }
int64_t number(void* p) { return int64_t(reinterpret_cast<uintptr_t>(p)); }

std::string build() { return cuda::is_emulated() ? "emulator" : "toolkit"; }
int64_t device_count() { return cuda::device_count(); }
std::string unavailable_reason() { return cuda::unavailable_reason(); }

int64_t current_device() { return cuda::current_device(); }
void set_device(int64_t device) { cuda::set_device(int(device)); }
int64_t check_device(int64_t device) { return cuda::check_device(int(device)); }
void synchronize(int64_t device) {
  ReleaseGil no_gil(kGrain + 1);
  cuda::synchronize(int(device));
}

py::object memory_stats(int64_t device) {
  const cuda::MemoryStats s = cuda::memory_stats(int(device));
  py::dict d;
  d["allocated"] = s.allocated;
  d["peak_allocated"] = s.peak_allocated;
  d["reserved"] = s.reserved;
  d["peak_reserved"] = s.peak_reserved;
  d["allocations"] = s.allocations;
  d["releases"] = s.releases;
  d["bytes_ever"] = s.bytes_ever;
  d["retries"] = s.retries;
  d["failures"] = s.failures;
  return d;
}
void reset_peak_memory_stats(int64_t device) { cuda::reset_peak_memory_stats(int(device)); }
void reset_accumulated_memory_stats(int64_t device) {
  cuda::reset_accumulated_memory_stats(int(device));
}
void set_memory_limit(int64_t device, int64_t bytes) { cuda::set_memory_limit(int(device), bytes); }
bool can_access_peer(int64_t device, int64_t peer) {
  return cuda::can_access_peer(int(device), int(peer));
}
void empty_cache() { cuda::empty_cache(); }
std::tuple<int64_t, int64_t> memory_info(int64_t device) {
  size_t free = 0, total = 0;
  cuda::memory_info(int(device), &free, &total);
  return {int64_t(free), int64_t(total)};
}

py::object properties(int64_t device) {
  const cuda::Properties p = cuda::properties(int(device));
  py::dict d;
  d["name"] = p.name;
  d["major"] = p.major;
  d["minor"] = p.minor;
  d["multi_processor_count"] = p.multi_processors;
  d["max_threads_per_multi_processor"] = p.max_threads_per_multi_processor;
  d["warp_size"] = p.warp_size;
  d["total_memory"] = p.total_memory;
  d["shared_memory_per_block"] = p.shared_memory_per_block;
  d["shared_memory_per_block_optin"] = p.shared_memory_per_block_optin;
  d["L2_cache_size"] = p.l2_cache;
  d["shared_memory_per_multiprocessor"] = p.shared_memory_per_multiprocessor;
  d["regs_per_multiprocessor"] = p.registers_per_multiprocessor;
  d["is_integrated"] = p.integrated;
  return d;
}
std::string architectures() { return cuda::architectures(); }
int64_t driver_version() { return cuda::driver_version(); }
int64_t runtime_version() { return cuda::runtime_version(); }

bool allow_tf32() { return cuda::allow_tf32(); }
void set_allow_tf32(bool allow) { cuda::set_allow_tf32(allow); }

int64_t current_stream(int64_t device) { return number(cuda::current_stream(int(device))); }
void set_stream(int64_t device, int64_t stream) {
  cuda::set_current_stream(int(device), handle(stream));
}
int64_t stream_new(int64_t device, int64_t priority) {
  return number(cuda::new_stream(int(device), int(priority)));
}
void stream_delete(int64_t device, int64_t stream) {
  cuda::delete_stream(int(device), handle(stream));
}
bool stream_query(int64_t device, int64_t stream) {
  return cuda::stream_done(int(device), handle(stream));
}
void stream_synchronize(int64_t device, int64_t stream) {
  ReleaseGil no_gil(kGrain + 1);
  cuda::synchronize_stream(int(device), handle(stream));
}
void stream_wait_event(int64_t device, int64_t stream, int64_t event) {
  cuda::stream_wait_event(int(device), handle(stream), handle(event));
}

int64_t event_new(int64_t device, bool timing, bool blocking) {
  return number(cuda::new_event(int(device), timing, blocking));
}
void event_delete(int64_t event) { cuda::delete_event(handle(event)); }
void event_record(int64_t device, int64_t event, int64_t stream) {
  cuda::record_event(int(device), handle(event), handle(stream));
}
bool event_query(int64_t event) { return cuda::event_done(handle(event)); }
void event_synchronize(int64_t event) {
  ReleaseGil no_gil(kGrain + 1);
  cuda::synchronize_event(handle(event));
}
double event_elapsed(int64_t start, int64_t end) {
  return cuda::elapsed_ms(handle(start), handle(end));
}

int64_t graph_begin(int64_t device, int64_t pool) {
  return number(cuda::begin_capture(int(device), pool));
}
void graph_end(int64_t graph) { cuda::end_capture(handle(graph)); }
void graph_abandon(int64_t graph) { cuda::abandon_capture(handle(graph)); }
void graph_replay(int64_t graph) { cuda::replay_graph(handle(graph)); }
void graph_delete(int64_t graph) { cuda::delete_graph(handle(graph)); }
int64_t current_capture(int64_t device) { return number(cuda::current_capture(int(device))); }

// A contiguous copy in page-locked memory.
Tensor pin_memory(const Tensor& x) {
  MT_CHECK(x.device().is_cpu(), "pin_memory(): only dense CPU tensors can be pinned, got one on ",
           to_string(x.device()));
  void* data = cuda::allocate_pinned(x.nbytes());
  Tensor y = from_blob(
      data, x.sizes(), contiguous_strides(x.sizes()), x.dtype(), {},
      [](Storage* s) { cuda::release_pinned(s->data); }, nullptr);
  copy_into(y, x);
  return y;
}
void record_stream(const Tensor& x, int64_t, int64_t stream) {
  MT_CHECK(!x.device().is_cpu(), "record_stream(): expected a tensor on a GPU");
  cuda::record_stream(x->storage->data, handle(stream));
}
bool is_pinned(const Tensor& x) { return x.device().is_cpu() && cuda::is_pinned(x.data()); }
#else
std::string build() { return ""; }
int64_t device_count() { return 0; }
std::string unavailable_reason() {
  return "this build of minitorch has no CUDA support (see MINITORCH_CUDA in setup_notes.md)";
}
#endif

}  // namespace

MT_BIND(cuda) {
  def_plain<&build>(m, "cuda_build");
  def_plain<&device_count>(m, "cuda_device_count");
  def_plain<&unavailable_reason>(m, "cuda_unavailable_reason");
#if defined(MT_WITH_CUDA)
  def_plain<&current_device>(m, "cuda_current_device");
  def_plain<&set_device>(m, "cuda_set_device");
  def_plain<&check_device>(m, "cuda_check_device");
  def_plain<&synchronize>(m, "cuda_synchronize");
  def_plain<&memory_stats>(m, "cuda_memory_stats");
  def_plain<&reset_peak_memory_stats>(m, "cuda_reset_peak_memory_stats");
  def_plain<&reset_accumulated_memory_stats>(m, "cuda_reset_accumulated_memory_stats");
  def_plain<&set_memory_limit>(m, "cuda_set_memory_limit");
  def_plain<&can_access_peer>(m, "cuda_can_access_peer");
  def_plain<&empty_cache>(m, "cuda_empty_cache");
  def_plain<&memory_info>(m, "cuda_memory_info");
  def_plain<&properties>(m, "cuda_properties");
  def_plain<&architectures>(m, "cuda_architectures");
  def_plain<&driver_version>(m, "cuda_driver_version");
  def_plain<&runtime_version>(m, "cuda_runtime_version");
  def_plain<&allow_tf32>(m, "cuda_allow_tf32");
  def_plain<&set_allow_tf32>(m, "cuda_set_allow_tf32");
  def_plain<&current_stream>(m, "cuda_current_stream");
  def_plain<&set_stream>(m, "cuda_set_stream");
  def_plain<&stream_new>(m, "cuda_stream_new");
  def_plain<&stream_delete>(m, "cuda_stream_delete");
  def_plain<&stream_query>(m, "cuda_stream_query");
  def_plain<&stream_synchronize>(m, "cuda_stream_synchronize");
  def_plain<&stream_wait_event>(m, "cuda_stream_wait_event");
  def_plain<&event_new>(m, "cuda_event_new");
  def_plain<&event_delete>(m, "cuda_event_delete");
  def_plain<&event_record>(m, "cuda_event_record");
  def_plain<&event_query>(m, "cuda_event_query");
  def_plain<&event_synchronize>(m, "cuda_event_synchronize");
  def_plain<&event_elapsed>(m, "cuda_event_elapsed");
  def_plain<&graph_begin>(m, "cuda_graph_begin");
  def_plain<&graph_end>(m, "cuda_graph_end");
  def_plain<&graph_abandon>(m, "cuda_graph_abandon");
  def_plain<&graph_replay>(m, "cuda_graph_replay");
  def_plain<&graph_delete>(m, "cuda_graph_delete");
  def_plain<&current_capture>(m, "cuda_current_capture");
  def_plain<&pin_memory>(m, "cuda_pin_memory");
  def_plain<&record_stream>(m, "cuda_record_stream");
  def_plain<&is_pinned>(m, "cuda_is_pinned");
#else
  // Everything else says what is missing.
  constexpr const char* kMissing[] = {
      "cuda_current_device",    "cuda_set_device",
      "cuda_check_device",      "cuda_synchronize",
      "cuda_memory_stats",      "cuda_reset_peak_memory_stats",
      "cuda_empty_cache",       "cuda_memory_info",
      "cuda_properties",        "cuda_architectures",
      "cuda_driver_version",    "cuda_runtime_version",
      "cuda_allow_tf32",        "cuda_set_allow_tf32",
      "cuda_current_stream",    "cuda_set_stream",
      "cuda_stream_new",        "cuda_stream_delete",
      "cuda_stream_query",      "cuda_stream_synchronize",
      "cuda_stream_wait_event", "cuda_event_new",
      "cuda_event_delete",      "cuda_event_record",
      "cuda_event_query",       "cuda_event_synchronize",
      "cuda_event_elapsed",     "cuda_graph_begin",
      "cuda_graph_end",         "cuda_graph_abandon",
      "cuda_graph_replay",      "cuda_graph_delete",
      "cuda_current_capture",   "cuda_reset_accumulated_memory_stats",
      "cuda_set_memory_limit",  "cuda_can_access_peer",
      "cuda_pin_memory",        "cuda_record_stream",
      "cuda_is_pinned",
  };
  for (const char* name : kMissing)
    m.def(name, [](const py::args&) { fail(ErrorKind::Runtime, unavailable_reason()); });
#endif
}

}  // namespace mt
