"""The CPU's memory: statistics, cap and cache of the allocator."""

from __future__ import annotations

from ._load import _C

empty_cache = _C.empty_cache
reset_peak_memory_stats = _C.reset_peak_memory_stats


def memory_stats():
    """Bytes of the caching allocator.

    Returns:
        A dict: allocated and peak_allocated (in live tensors), reserved and peak_reserved (held from
        the system, cached blocks included), allocations and cache_hits (counts).
    """
    return _C.memory_stats()


def set_memory_limit(nbytes):
    """Caps what the allocator may hold; 0 removes the cap.

    Raises (later, from the allocation that does not fit):
        OutOfMemoryError: after all cached blocks were returned to the system.
    """
    _C.set_memory_limit(nbytes)


def is_available():
    """True: there is always a CPU."""
    return True


def device_count():
    """Number of CPU devices: 1."""
    return 1


def current_device():
    """Name of the current device."""
    return "cpu"


def synchronize(device=None):
    """Returns at once: work on the CPU is done when a call returns."""
