"""Which GPUs there are and which one is current."""

from __future__ import annotations

from .. import dtypes
from .._load import _C


def is_available():
    """Whether a GPU can be used."""
    return _C.cuda_device_count() > 0


def device_count():
    """Number of GPUs."""
    return _C.cuda_device_count()


def is_emulated():
    """Whether the CUDA kernels of this build run on the CPU, under minitorch's emulator."""
    return _C.cuda_build() == "emulator"


def init():
    """Checks that a GPU can be used; it is started when first needed.

    Raises:
        RuntimeError: none can, with the reason.
    """
    if not is_available():
        raise RuntimeError(f"no CUDA device can be used: {_C.cuda_unavailable_reason()}")


def is_initialized():
    """Whether a GPU can be used: there is nothing else to start."""
    return is_available()


def number_of(device):
    """The number of a device given as None (the current one), int, str or device.

    Raises:
        RuntimeError: no GPU can be used, or none has that number.
        ValueError: not a CUDA device.
    """
    init()
    if device is None:
        return _C.cuda_current_device()
    if isinstance(device, int):
        return _C.cuda_check_device(device)
    if not isinstance(device, dtypes.device):
        device = dtypes.device(device)
    if device.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {device}")
    return _C.cuda_check_device(-1 if device.index is None else device.index)


def current_device():
    """Number of the current GPU."""
    init()
    return _C.cuda_current_device()


def set_device(device):
    """Makes a GPU the current one."""
    _C.cuda_set_device(number_of(device))


class device:
    """Context in which a GPU is the current one.

    Args:
        device: number, string or minitorch.device; None or a negative number changes nothing.
    """

    __slots__ = ("_before", "_index")

    def __init__(self, device):
        none = device is None or (isinstance(device, int) and device < 0)
        self._index = None if none else number_of(device)

    def __enter__(self):
        if self._index is not None:
            self._before = _C.cuda_current_device()
            _C.cuda_set_device(self._index)

    def __exit__(self, *exception):
        if self._index is not None:
            _C.cuda_set_device(self._before)
        return False


class device_of(device):
    """Context in which the GPU that a tensor lies on is current; nothing for CPU tensors."""

    __slots__ = ()

    def __init__(self, tensor):
        super().__init__(tensor.device if tensor.is_cuda else None)


def synchronize(device=None):
    """Waits until all work of a GPU is done.

    Raises:
        RuntimeError: a kernel failed.
        IndexError: a kernel met an index out of range.
    """
    _C.cuda_synchronize(number_of(device))


class _Properties:
    """Properties of a GPU, as attributes: name, major, minor, multi_processor_count, total_memory
    (bytes), warp_size, max_threads_per_multi_processor, shared_memory_per_block (bytes),
    shared_memory_per_block_optin (bytes), L2_cache_size (bytes)."""

    def __init__(self, values):
        self.__dict__.update(values)

    def __repr__(self):
        return (
            f"_CudaDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory >> 20}MB, "
            f"multi_processor_count={self.multi_processor_count})"
        )


def get_device_properties(device=None):
    """Properties of a GPU."""
    return _Properties(_C.cuda_properties(number_of(device)))


def get_device_name(device=None):
    """Name of a GPU."""
    return get_device_properties(device).name


def get_device_capability(device=None):
    """Compute capability of a GPU as (major, minor)."""
    properties = get_device_properties(device)
    return properties.major, properties.minor


def can_device_access_peer(device, peer_device):
    """Whether one GPU can read the memory of another directly."""
    return _C.cuda_can_access_peer(number_of(device), number_of(peer_device))


def is_tf32_supported():
    """Whether the GPU can round the operands of float32 products to TF32 (8.0 and up)."""
    return is_available() and get_device_capability()[0] >= 8


def is_bf16_supported(including_emulation=True):
    """Whether the GPU computes in bfloat16 (compute capability 8.0 and up)."""
    return is_available() and get_device_capability()[0] >= 8


def get_arch_list():
    """Architectures that the kernels were built for, for example ["sm_80", "sm_90a"]."""
    return _C.cuda_architectures().split() if is_available() else []


def ipc_collect():
    """Nothing to do: memory is not shared between processes."""
