"""Contexts in which ops pick their dtype; which ops do is listed in minitorch/_autocast.py."""

from __future__ import annotations

import functools

from .. import _autocast
from .._load import _C

_state = _autocast.state
_LOW = (_C.float16, _C.bfloat16)


def is_autocast_available(device_type):
    """Whether there is autocast for a device type: "cuda" and "cpu"."""
    return device_type in _state.on


def _check(device_type):
    if not isinstance(device_type, str):
        raise ValueError(
            f"Expected `device_type` of type `str`, got: `{type(device_type).__name__}`"
        )
    if not is_autocast_available(device_type):
        raise RuntimeError(
            f"User specified an unsupported autocast device_type {device_type!r}; "
            "expected 'cuda' or 'cpu'"
        )
    return device_type


def is_autocast_enabled(device_type="cuda"):
    """Whether ops on that device type pick their dtype, in this thread."""
    return _state.on[_check("cuda" if device_type is None else device_type)]


def set_autocast_enabled(device_type, enabled=None):
    """Turns autocast on or off for this thread; set_autocast_enabled(enabled) is for "cuda"."""
    if enabled is None:
        device_type, enabled = "cuda", device_type
    _autocast.switch(_check(device_type), bool(enabled))


def get_autocast_dtype(device_type):
    """The 16-bit dtype of products: float16 on "cuda", bfloat16 on "cpu", unless set."""
    return _state.dtype[_check(device_type)]


def set_autocast_dtype(device_type, dtype):
    """Sets the dtype of products for this thread."""
    _state.dtype[_check(device_type)] = dtype


def is_autocast_cache_enabled():
    """Whether the 16-bit copy of a parameter is kept until the outermost context ends."""
    return _state.cache_enabled


def set_autocast_cache_enabled(enabled):
    """Turns the cache of parameters' copies on or off."""
    _state.cache_enabled = bool(enabled)


def clear_autocast_cache():
    """Drops the kept copies of parameters."""
    _state.cache.clear()


def autocast_increment_nesting():
    """Enters a context; returns how many there are."""
    _state.nesting += 1
    return _state.nesting


def autocast_decrement_nesting():
    """Leaves a context; returns how many there are."""
    _state.nesting -= 1
    return _state.nesting


class autocast:  # noqa: N801
    """Context manager and decorator in which ops pick their dtype.

    Products (matmul, linear, convolutions, attention) run in a 16-bit dtype; on a GPU softmax,
    norms, losses, exp, log, sums and powers run in float32, on the CPU the losses and a few more.
    All other ops run in the dtype of their inputs. Parameters keep their dtype, and their gradients
    have it.

    Args:
        device_type: "cuda" or "cpu": tensors on other devices are left alone.
        dtype: float16 or bfloat16; default get_autocast_dtype(device_type).
        enabled: False makes the context turn autocast off.
        cache_enabled: whether a parameter's 16-bit copy is kept for the context; default yes.

    >>> import minitorch
    >>> x, w = minitorch.ones(2, 3), minitorch.ones(3, 4)
    >>> with minitorch.autocast("cpu"):
    ...     (x @ w).dtype
    minitorch.bfloat16
    """

    def __init__(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        self.device = _check(device_type)
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled = _state.cache_enabled if cache_enabled is None else cache_enabled
        if enabled and self.fast_dtype not in _LOW:
            import warnings

            warnings.warn(
                f"In {device_type} autocast, but the target dtype {self.fast_dtype} is not "
                "supported. Disabling autocast. Supported are minitorch.float16 and "
                "minitorch.bfloat16.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._before = []

    def __enter__(self):
        device = self.device
        self._before.append((_state.on[device], _state.dtype[device], _state.cache_enabled))
        _autocast.switch(device, bool(self._enabled))
        _state.dtype[device] = self.fast_dtype
        _state.cache_enabled = self._cache_enabled
        autocast_increment_nesting()
        return self

    def __exit__(self, *error):
        if autocast_decrement_nesting() == 0:
            clear_autocast_cache()
        on, dtype, cache_enabled = self._before.pop()
        _autocast.switch(self.device, on)
        _state.dtype[self.device] = dtype
        _state.cache_enabled = cache_enabled
        return False

    def __call__(self, function):
        @functools.wraps(function)
        def run(*args, **kwargs):
            with self:
                return function(*args, **kwargs)

        return run


def _converted(value, device_type, dtype):
    """value with every floating tensor of that device in dtype, through lists and dicts."""
    if isinstance(value, _C.TensorBase):
        floating = value.dtype.is_floating_point and value.dtype is not _C.float64
        return value.to(dtype) if floating and value.device.type == device_type else value
    if isinstance(value, dict):
        return {
            _converted(k, device_type, dtype): _converted(v, device_type, dtype)
            for k, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        return type(value)(_converted(v, device_type, dtype) for v in value)
    return value


def custom_fwd(fwd=None, *, device_type, cast_inputs=None):
    """Decorator for the forward of an autograd.Function that is called under autocast.

    Args:
        fwd: the forward function.
        device_type: "cuda" or "cpu".
        cast_inputs: a dtype that floating tensors are converted to; forward then runs with autocast
            off. Without it forward runs in the caller's state.
    """
    _check(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def run(*args, **kwargs):
        ctx = args[0]
        ctx._dtype = get_autocast_dtype(device_type)
        on = is_autocast_enabled(device_type)
        ctx._fwd_used_autocast = on and cast_inputs is None
        if cast_inputs is None or not on:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(
                *_converted(args, device_type, cast_inputs),
                **_converted(kwargs, device_type, cast_inputs),
            )

    return run


def custom_bwd(bwd=None, *, device_type):
    """Decorator for the backward that belongs to a custom_fwd: it runs in forward's state.

    Args:
        bwd: the backward function.
        device_type: "cuda" or "cpu".
    """
    _check(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def run(*args, **kwargs):
        ctx = args[0]
        with autocast(device_type, dtype=ctx._dtype, enabled=ctx._fwd_used_autocast):
            return bwd(*args, **kwargs)

    return run
