"""minitorch: a tensor engine you can open.

PyTorch's API (`import minitorch as torch`) on C++ and CUDA kernels that can be read, changed, rebuilt
and measured.
"""

from __future__ import annotations

import math as _math

from . import autograd, dtypes, ops
from ._load import _C
from .autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .dtypes import (
    Size,
    bfloat16,
    bool,
    channels_last,
    channels_last_3d,
    contiguous_format,
    device,
    double,
    dtype,
    finfo,
    float,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    iinfo,
    int,
    int8,
    int16,
    int32,
    int64,
    layout,
    long,
    memory_format,
    preserve_format,
    set_default_dtype,
    short,
    strided,
    uint8,
)
from .legacy import LEGACY_TYPES as _LEGACY_TYPES
from .legacy import UntypedStorage
from .printing import set_printoptions
from .tensor import Tensor
from .version import __version__

autograd.Variable = Tensor
OutOfMemoryError = _C.OutOfMemoryError
globals().update(ops.FUNCTIONS)
globals().update(_LEGACY_TYPES)

e, inf, nan, pi, newaxis = _math.e, _math.inf, _math.nan, _math.pi, None

get_num_threads = _C.get_num_threads
set_num_threads = _C.set_num_threads


def is_tensor(obj):
    """Whether obj is a Tensor."""
    return isinstance(obj, Tensor)


def typename(obj):
    """The name of obj's type."""
    return obj.type() if isinstance(obj, Tensor) else f"{type(obj).__module__}.{type(obj).__name__}"


def numel(input):
    """Number of elements."""
    return input.numel()


def compile(model=None, **options):
    """model itself: every op runs as it is called. Present so that programs run unchanged."""
    return model if model is not None else lambda m: m


def _assert(condition, message):
    """Raises AssertionError with the message where the condition is false."""
    assert condition, message


def _check(condition, message=None):
    """Raises RuntimeError with the text of message() where the condition is false."""
    if not condition:
        raise RuntimeError(message() if message is not None else "Expected condition to be true")


def get_num_interop_threads():
    """1: ops run one after another."""
    return 1


def set_num_interop_threads(n):
    """Accepted; ops run one after another."""


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Accepted: results are deterministic always."""


def are_deterministic_algorithms_enabled():
    """True: results are deterministic always."""
    return True


def set_float32_matmul_precision(precision):
    """Accepted; float32 products are computed in float32."""


def get_float32_matmul_precision():
    """Always "highest": float32 products are computed in float32."""
    return "highest"


def get_default_device():
    """The device of new tensors."""
    return device("cpu")


def is_complex(input):
    """False: there are no complex dtypes."""
    return False


def show_config():
    """The build and the machine as text: version, instruction sets, threads."""
    return (
        f"minitorch {__version__}\ninstruction set: {_C.isa()} (available: {_C.available_isas()})\n"
        f"threads: {_C.get_num_threads()}\nCUDA: not built"
    )


# Sub-packages load when they are first used, so that `import minitorch` stays fast.
_LAZY = (
    "accelerator",
    "amp",
    "backends",
    "compiler",
    "cpu",
    "cuda",
    "hub",
    "jit",
    "linalg",
    "metrics",
    "nn",
    "optim",
    "random",
    "serialization",
    "special",
    "testing",
    "train",
    "types",
    "utils",
    "version",
    "vision",
)
_LAZY_NAMES = {
    "save": "serialization",
    "load": "serialization",
    **dict.fromkeys(
        (
            "autocast",
            "clear_autocast_cache",
            "get_autocast_dtype",
            "is_autocast_cache_enabled",
            "is_autocast_enabled",
            "set_autocast_cache_enabled",
            "set_autocast_dtype",
            "set_autocast_enabled",
        ),
        "amp",
    ),
}


def __getattr__(name):
    from importlib import import_module

    if name in _LAZY:
        try:
            return import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    elif name in _LAZY_NAMES:
        return getattr(import_module(f"{__name__}.{_LAZY_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LAZY, *_LAZY_NAMES})
