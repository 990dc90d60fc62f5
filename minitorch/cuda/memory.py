"""Memory of a GPU: statistics, limits and the cache."""

from __future__ import annotations

from .._load import _C
from .device import is_available, number_of

_fractions: dict[int, float] = {}  # per device, of set_per_process_memory_fraction()


def empty_cache():
    """Returns memory that no tensor uses to the driver; nothing to do without a GPU."""
    if is_available():
        _C.cuda_empty_cache()


def memory_stats(device=None):
    """Figures of a GPU's allocator.

    Returns:
        A dict: allocated and peak_allocated (bytes in live tensors), reserved and peak_reserved
        (bytes held from the driver), allocations and releases (counts); and under PyTorch's names
        what these and the counts of failures are for all sizes together.
    """
    s = _C.cuda_memory_stats(number_of(device))
    for kind in "allocated", "active", "requested":
        s[f"{kind}_bytes.all.current"] = s["allocated"]
        s[f"{kind}_bytes.all.peak"] = s["peak_allocated"]
        s[f"{kind}_bytes.all.allocated"] = s["bytes_ever"]
        s[f"{kind}_bytes.all.freed"] = s["bytes_ever"] - s["allocated"]
    s["reserved_bytes.all.current"] = s["reserved"]
    s["reserved_bytes.all.peak"] = s["peak_reserved"]
    for kind in "allocation", "active":
        s[f"{kind}.all.current"] = s["allocations"] - s["releases"]
        s[f"{kind}.all.allocated"] = s["allocations"]
        s[f"{kind}.all.freed"] = s["releases"]
    s["num_alloc_retries"] = s.pop("retries")
    s["num_ooms"] = s.pop("failures")
    del s["bytes_ever"]
    return s


def memory_stats_as_nested_dict(device=None):
    """memory_stats() with a dict for each level of PyTorch's names."""
    nested = {}
    for name, value in memory_stats(device).items():
        *path, last = name.split(".")
        level = nested
        for part in path:
            level = level.setdefault(part, {})
        level[last] = value
    return nested


def memory_allocated(device=None):
    """Bytes in live tensors; 0 without a GPU."""
    return memory_stats(device)["allocated"] if is_available() else 0


def max_memory_allocated(device=None):
    """Most bytes that were in live tensors since the last reset; 0 without a GPU."""
    return memory_stats(device)["peak_allocated"] if is_available() else 0


def memory_reserved(device=None):
    """Bytes held from the driver; 0 without a GPU."""
    return memory_stats(device)["reserved"] if is_available() else 0


def max_memory_reserved(device=None):
    """Most bytes held from the driver since the last reset; 0 without a GPU."""
    return memory_stats(device)["peak_reserved"] if is_available() else 0


def reset_peak_memory_stats(device=None):
    """Starts the peaks again at what is in use now."""
    _C.cuda_reset_peak_memory_stats(number_of(device))


def reset_accumulated_memory_stats(device=None):
    """Starts the counts of allocations, releases and failures again."""
    _C.cuda_reset_accumulated_memory_stats(number_of(device))


def _renamed(old, new, f):
    def call(device=None):
        import warnings

        warnings.warn(f"minitorch.cuda.{old} has been renamed to {new}", FutureWarning, 2)
        return f(device)

    call.__name__ = call.__qualname__ = old
    call.__doc__ = f"{new}() under an older name."
    return call


memory_cached = _renamed("memory_cached", "memory_reserved", memory_reserved)
max_memory_cached = _renamed("max_memory_cached", "max_memory_reserved", max_memory_reserved)
reset_max_memory_allocated = _renamed(
    "reset_max_memory_allocated", "reset_peak_memory_stats", reset_peak_memory_stats
)
reset_max_memory_cached = _renamed(
    "reset_max_memory_cached", "reset_peak_memory_stats", reset_peak_memory_stats
)


def mem_get_info(device=None):
    """(free, total) bytes of a GPU, as the driver sees them."""
    return _C.cuda_memory_info(number_of(device))


def device_memory_used(device=None):
    """Bytes of a GPU in use, by all programs."""
    free, total = mem_get_info(device)
    return total - free


def set_per_process_memory_fraction(fraction, device=None):
    """Limits the tensors of this process to a part of a GPU's memory; more is OutOfMemoryError.

    Args:
        fraction: of the total, from 0 to 1.
    """
    if not isinstance(fraction, float):
        raise TypeError("Invalid type for fraction argument, must be `float`")
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")
    index = number_of(device)
    total = _C.cuda_properties(index)["total_memory"]
    _C.cuda_set_memory_limit(index, (1 << 63) - 1 if fraction == 1.0 else int(total * fraction))
    _fractions[index] = fraction


def get_per_process_memory_fraction(device=None):
    """The part of a GPU's memory that set_per_process_memory_fraction() allows."""
    return _fractions.get(number_of(device), 1.0)


def get_allocator_backend():
    """The allocator's name: the driver's stream-ordered pools."""
    return "cudaMallocAsync"


def memory_summary(device=None, abbreviated=False):
    """The statistics as a text."""
    stats = _C.cuda_memory_stats(number_of(device))
    in_bytes = ("allocated", "peak_allocated", "reserved", "peak_reserved", "bytes_ever")
    return "\n".join(
        f"{name.replace('_', ' '):<16} {f'{value / 2**20:.1f} MiB' if name in in_bytes else value:>14}"
        for name, value in stats.items()
    )
