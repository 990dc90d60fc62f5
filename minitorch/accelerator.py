"""The accelerator of this machine: its GPUs, where CUDA can be used."""

from __future__ import annotations

from . import dtypes
from ._load import _C


def is_available():
    """Whether there is an accelerator."""
    return _C.cuda_device_count() > 0


def device_count():
    """Number of accelerators."""
    return _C.cuda_device_count()


def current_accelerator(check_available=False):
    """The accelerator's device, or None.

    Args:
        check_available: None also where this build has CUDA kernels and no GPU can be used.
    """
    usable = is_available() if check_available else bool(_C.cuda_build())
    return dtypes.device("cuda") if usable else None


def current_device_index():
    """Number of the current accelerator."""
    return _C.cuda_current_device()


def set_device_index(device):
    """Makes an accelerator the current one."""
    from .cuda import set_device

    set_device(device)


def synchronize(device=None):
    """Waits until all work of an accelerator is done."""
    from .cuda import synchronize

    synchronize(device)
