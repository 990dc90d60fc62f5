"""minitorch.cuda: what programs ask before they use a GPU. This build has none."""

from __future__ import annotations

_MISSING = "minitorch was built without CUDA support: no GPU can be used"


def is_available():
    """Whether a GPU can be used."""
    return False


def device_count():
    """Number of GPUs."""
    return 0


def is_initialized():
    """Whether a GPU has been used yet."""
    return False


def is_bf16_supported(including_emulation=True):
    """Whether the GPU computes in bfloat16."""
    return False


def manual_seed(seed):
    """Seeds the GPU's generator; nothing to do without one."""


def manual_seed_all(seed):
    """Seeds every GPU's generator; nothing to do without one."""


def empty_cache():
    """Returns cached GPU memory; nothing to do without one."""


def _unavailable(name, doc):
    def f(*args, **kwargs):
        raise RuntimeError(f"cuda.{name}(): {_MISSING}")

    f.__name__ = name
    f.__doc__ = doc
    return f


init = _unavailable("init", "Starts CUDA.")
synchronize = _unavailable("synchronize", "Waits for the GPU.")
current_device = _unavailable("current_device", "Number of the current GPU.")
set_device = _unavailable("set_device", "Chooses the current GPU.")
get_device_name = _unavailable("get_device_name", "Name of a GPU.")
get_device_properties = _unavailable("get_device_properties", "Properties of a GPU.")
get_device_capability = _unavailable("get_device_capability", "Compute capability of a GPU.")
memory_allocated = _unavailable("memory_allocated", "Bytes in use on a GPU.")
max_memory_allocated = _unavailable("max_memory_allocated", "Peak of the bytes in use on a GPU.")
