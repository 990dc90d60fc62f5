"""Creation of tensors, and conversion between dtypes, devices, NumPy and Python."""

from __future__ import annotations

from .. import dtypes
from .._load import _C
from ._register import function, method, write_out

_Tensor = _C.TensorBase


def sizes_of(size):
    """*size as a tuple: f(2, 3) or f((2, 3))."""
    if len(size) == 1 and not isinstance(size[0], int) and not hasattr(size[0], "__index__"):
        return tuple(size[0])
    return size


def finish(t, requires_grad, out=None, name=""):
    """A creation function's last step: out= or requires_grad."""
    if out is not None:
        return write_out(out, t, name)
    if requires_grad:
        t.requires_grad = True
    return t


def _filled(name, value, doc):
    def f(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
          **kwargs):  # fmt: skip
        size = kwargs.pop("size", size)
        if kwargs:
            raise TypeError(f"{name}() got an unexpected keyword argument {next(iter(kwargs))!r}")
        if dtype is None:
            dtype = out.dtype if out is not None else dtypes._default_dtype
        t = _C.full(sizes_of(size) if isinstance(size, tuple) else size, value, dtype, device)
        return finish(t, requires_grad, out, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    return function(f)


zeros = _filled(
    "zeros", 0, "A tensor of zeros.\n\n    Args:\n        size: sizes, as arguments or a sequence."
)
ones = _filled(
    "ones", 1, "A tensor of ones.\n\n    Args:\n        size: sizes, as arguments or a sequence."
)


@function
def empty(
    *size, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False,
    memory_format=None, **kwargs,
):  # fmt: skip
    """A tensor with unspecified content.

    Args:
        size: sizes, as arguments or a sequence.
    """
    size = kwargs.pop("size", size)
    if kwargs:
        raise TypeError(f"empty() got an unexpected keyword argument {next(iter(kwargs))!r}")
    t = _C.empty(
        sizes_of(size) if isinstance(size, tuple) else size, dtype or dtypes._default_dtype, device
    )
    return finish(t, requires_grad, out, "empty")


@function
def full(
    size, fill_value, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):  # fmt: skip
    """A tensor filled with one value.

    Args:
        size: sizes.
        fill_value: a number; without dtype, its type decides.
    """
    if isinstance(fill_value, _Tensor):
        dtype = dtype or fill_value.dtype
        fill_value = fill_value.item()
    if dtype is None:
        dtype = dtype_of_number(fill_value)
    return finish(_C.full(size, fill_value, dtype, device), requires_grad, out, "full")


def dtype_of_number(v):
    """The dtype that a Python number has by itself."""
    if isinstance(v, bool):
        return _C.bool
    return _C.int64 if isinstance(v, int) else dtypes._default_dtype


def _empty_as(input, dtype, device, memory_format):
    """Unspecified content, laid out as input is where memory_format does not say otherwise."""
    dtype, device = dtype or input.dtype, device or input.device
    if memory_format is None or memory_format is dtypes.preserve_format:
        return _C.empty_like(input, dtype, device)
    y = _C.empty(input.shape, dtype, device)
    return y if memory_format is dtypes.contiguous_format else y.contiguous(memory_format)


def _like(name, value, doc):
    def f(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, pin_memory=False):  # fmt: skip
        if memory_format is None and _C.is_contiguous(input):
            t = _C.full(input.shape, value, dtype or input.dtype, device or input.device)
        else:
            t = _empty_as(input, dtype, device, memory_format)
            _C.fill_(t, value)
        return finish(t, requires_grad)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    return function(f)


zeros_like = _like("zeros_like", 0, "Zeros of the shape and dtype of input.")
ones_like = _like("ones_like", 1, "Ones of the shape and dtype of input.")


@function
def empty_like(
    input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, pin_memory=False
):  # fmt: skip
    """Unspecified content of the shape and dtype of input."""
    return finish(_empty_as(input, dtype, device, memory_format), requires_grad)


@function
def full_like(
    input, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None
):  # fmt: skip
    """One value in the shape and dtype of input."""
    t = _empty_as(input, dtype, device, memory_format)
    _C.fill_(t, fill_value)
    return finish(t, requires_grad)


@function
def empty_strided(
    size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):  # fmt: skip
    """Unspecified content with the given sizes and strides (in elements)."""
    return finish(
        _C.empty_strided(size, stride, dtype or dtypes._default_dtype, device), requires_grad
    )


@method
def new_zeros(self, *size, dtype=None, device=None, requires_grad=False, **unused):
    """Zeros with this tensor's dtype and device."""
    size = unused.get("size", size)
    t = _C.full(
        sizes_of(size) if isinstance(size, tuple) else size,
        0,
        dtype or self.dtype,
        device or self.device,
    )
    return finish(t, requires_grad)


@method
def new_ones(self, *size, dtype=None, device=None, requires_grad=False, **unused):
    """Ones with this tensor's dtype and device."""
    size = unused.get("size", size)
    t = _C.full(
        sizes_of(size) if isinstance(size, tuple) else size,
        1,
        dtype or self.dtype,
        device or self.device,
    )
    return finish(t, requires_grad)


@method
def new_empty(self, *size, dtype=None, device=None, requires_grad=False, **unused):
    """Unspecified content with this tensor's dtype and device."""
    size = unused.get("size", size)
    t = _C.empty(
        sizes_of(size) if isinstance(size, tuple) else size,
        dtype or self.dtype,
        device or self.device,
    )
    return finish(t, requires_grad)


@method
def new_empty_strided(self, size, stride, dtype=None, device=None, requires_grad=False, **unused):
    """Unspecified content with the given sizes and strides."""
    t = _C.empty_strided(size, stride, dtype or self.dtype, device or self.device)
    return finish(t, requires_grad)


@method
def new_full(self, size, fill_value, dtype=None, device=None, requires_grad=False, **unused):
    """One value with this tensor's dtype and device."""
    return finish(
        _C.full(size, fill_value, dtype or self.dtype, device or self.device), requires_grad
    )


@function
def arange(
    start=0, end=None, step=1, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):  # fmt: skip
    """start, start + step ... up to, not including, end.

    Args:
        start, end, step: numbers; ints give int64, floats the default dtype.
    """
    if end is None:
        start, end = 0, start
    start, end, step = (v.item() if isinstance(v, _Tensor) else v for v in (start, end, step))
    if dtype is None:
        floating = any(isinstance(v, float) for v in (start, end, step))
        dtype = dtypes._default_dtype if floating else _C.int64
    return finish(_C.arange(start, end, step, dtype, device), requires_grad, out, "arange")


@function
def range(
    start=0, end=None, step=1, *, out=None, dtype=None, device=None, requires_grad=False, **unused
):
    """Like arange, with the end included."""
    dtype = dtype or dtypes._default_dtype
    count = int((end - start) / step) + 1
    return finish(
        (_C.arange(0, count, 1, _C.float64, device) * step + start).to(dtype),
        requires_grad,
        out,
        "range",
    )


def check_steps(steps, name):
    """TypeError where a number of steps is not an int."""
    if not hasattr(steps, "__index__"):
        raise TypeError(f"{name}(): steps must be int, not {type(steps).__name__}")


@function
def linspace(start, end, steps, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):  # fmt: skip
    """`steps` evenly spaced values from start to end, both included."""
    start, end = (v.item() if isinstance(v, _Tensor) else v for v in (start, end))
    check_steps(steps, "linspace")
    if steps < 0:
        raise RuntimeError(f"linspace(): number of steps must be non-negative, got {steps}")
    dtype = dtype or dtypes._default_dtype
    if not (dtype.is_floating_point or dtype is _C.bool):
        start, end = int(start), int(end)
    t = _C.linspace(float(start), float(end), int(steps), dtype, device)
    return finish(t, requires_grad, out, "linspace")


@function
def logspace(start, end, steps, base=10.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, **unused):  # fmt: skip
    """base to the powers of linspace(start, end, steps)."""
    start, end = (v.item() if isinstance(v, _Tensor) else v for v in (start, end))
    dtype = dtype or dtypes._default_dtype
    check_steps(steps, "logspace")
    powers = linspace(start, end, steps, dtype=_C.float64, device=device)
    base = base.item() if isinstance(base, _Tensor) else base
    return finish((float(base) ** powers).to(dtype), requires_grad, out, "logspace")


@function
def eye(
    n,
    m=None,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """The identity matrix, [n, m]."""
    m = n if m is None else m
    if n < 0 or m < 0:
        raise RuntimeError(f"eye(): n and m must be greater or equal to 0, got {n} and {m}")
    t = _C.full((n, m), 0, dtype or dtypes._default_dtype, device)
    _C.fill_(_C.diagonal(t, 0, 0, 1), 1)
    return finish(t, requires_grad, out, "eye")


@function
def scalar_tensor(s, *, dtype=None, device=None, requires_grad=False, **unused):
    """A 0-dim tensor that holds s."""
    return finish(_C.full((), s, dtype or dtypes._default_dtype, device), requires_grad)
