"""Memory of a GPU: statistics and the cache."""

from __future__ import annotations

from .._load import _C
from .device import is_available, number_of


def empty_cache():
    """Returns memory that no tensor uses to the driver; nothing to do without a GPU."""
    if is_available():
        _C.cuda_empty_cache()


def memory_stats(device=None):
    """Bytes of a GPU's allocator.

    Returns:
        A dict: allocated and peak_allocated (in live tensors), reserved and peak_reserved (held from
        the driver), allocations (a count); and the same under PyTorch's names for all sizes.
    """
    stats = _C.cuda_memory_stats(number_of(device))
    for name in "allocated", "reserved":
        stats[f"{name}_bytes.all.current"] = stats[name]
        stats[f"{name}_bytes.all.peak"] = stats[f"peak_{name}"]
    return stats


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


def mem_get_info(device=None):
    """(free, total) bytes of a GPU, as the driver sees them."""
    return _C.cuda_memory_info(number_of(device))


def memory_summary(device=None, abbreviated=False):
    """The statistics as a text."""
    stats = _C.cuda_memory_stats(number_of(device))
    return "\n".join(
        f"{name.replace('_', ' '):<16} {value if name == 'allocations' else f'{value / 2**20:.1f} MiB':>14}"
        for name, value in stats.items()
    )
