"""GPUs: devices, streams, events, memory and graphs.

A build with a CUDA toolkit runs on NVIDIA GPUs. A build with MINITORCH_CUDA=EMULATE runs the same
kernels on the CPU, slowly and checked; `is_emulated()` tells.
"""

from __future__ import annotations

from .._load import _C
from .device import (
    can_device_access_peer,
    current_device,
    device,
    device_count,
    device_of,
    get_arch_list,
    get_device_capability,
    get_device_name,
    get_device_properties,
    init,
    ipc_collect,
    is_available,
    is_bf16_supported,
    is_emulated,
    is_initialized,
    is_tf32_supported,
    set_device,
    synchronize,
)
from .graphs import CUDAGraph, graph, graph_pool_handle, is_current_stream_capturing
from .memory import (
    device_memory_used,
    empty_cache,
    get_allocator_backend,
    get_per_process_memory_fraction,
    max_memory_allocated,
    max_memory_cached,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_cached,
    memory_reserved,
    memory_stats,
    memory_stats_as_nested_dict,
    memory_summary,
    reset_accumulated_memory_stats,
    reset_max_memory_allocated,
    reset_max_memory_cached,
    reset_peak_memory_stats,
    set_per_process_memory_fraction,
)
from .random import (
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)
from .streams import (
    Event,
    ExternalStream,
    Stream,
    StreamContext,
    current_stream,
    default_stream,
    get_stream_from_external,
    set_stream,
    stream,
)

OutOfMemoryError = _C.OutOfMemoryError


def __getattr__(name):
    from importlib import import_module

    if name in ("amp", "nvtx"):
        return import_module(f"{__name__}.{name}")
    if name == "make_graphed_callables":
        return import_module(f"{__name__}.graphed").make_graphed_callables
    if name == "default_generators":
        from ..random import gpu_generator

        return tuple(gpu_generator(i) for i in range(device_count()))
    if name.endswith("Tensor"):
        from ..legacy import legacy_types

        globals().update(legacy_types("cuda"))
        if name in globals():
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
