"""Creation of tensors, and conversion between dtypes, devices, NumPy and Python."""

from __future__ import annotations

from .. import dtypes
from .._load import _C
from ..autograd import inplace as _inplace
from ._register import METHODS, Node, function, method, op, record, write_out

_Tensor = _C.TensorBase


def _sizes(size):
    """*size as a tuple: f(2, 3) or f((2, 3))."""
    if len(size) == 1 and not isinstance(size[0], int) and not hasattr(size[0], "__index__"):
        return tuple(size[0])
    return size


def _finish(t, requires_grad, out=None, name=""):
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
        t = _C.full(_sizes(size) if isinstance(size, tuple) else size, value, dtype, device)
        return _finish(t, requires_grad, out, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    return function(f)


zeros = _filled("zeros", 0, "A tensor of zeros.\n\n    Args:\n        size: sizes, as arguments or a sequence.")
ones = _filled("ones", 1, "A tensor of ones.\n\n    Args:\n        size: sizes, as arguments or a sequence.")


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
    t = _C.empty(_sizes(size) if isinstance(size, tuple) else size, dtype or dtypes._default_dtype, device)
    return _finish(t, requires_grad, out, "empty")


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
        dtype = _dtype_of_number(fill_value)
    return _finish(_C.full(size, fill_value, dtype, device), requires_grad, out, "full")


def _dtype_of_number(v):
    if isinstance(v, bool):
        return _C.bool
    return _C.int64 if isinstance(v, int) else dtypes._default_dtype


def _like(name, value, doc):
    def f(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, pin_memory=False):  # fmt: skip
        t = _C.full(input.shape, value, dtype or input.dtype, device or input.device)
        return _finish(t, requires_grad)

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
    return _finish(_C.empty(input.shape, dtype or input.dtype, device or input.device), requires_grad)


@function
def full_like(
    input, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None
):  # fmt: skip
    """One value in the shape and dtype of input."""
    t = _C.full(input.shape, fill_value, dtype or input.dtype, device or input.device)
    return _finish(t, requires_grad)


@function
def empty_strided(
    size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):  # fmt: skip
    """Unspecified content with the given sizes and strides (in elements)."""
    return _finish(_C.empty_strided(size, stride, dtype or dtypes._default_dtype, device), requires_grad)


@method
def new_zeros(self, *size, dtype=None, device=None, requires_grad=False, **unused):
    """Zeros with this tensor's dtype and device."""
    size = unused.get("size", size)
    t = _C.full(_sizes(size) if isinstance(size, tuple) else size, 0, dtype or self.dtype, device or self.device)
    return _finish(t, requires_grad)


@method
def new_ones(self, *size, dtype=None, device=None, requires_grad=False, **unused):
    """Ones with this tensor's dtype and device."""
    size = unused.get("size", size)
    t = _C.full(_sizes(size) if isinstance(size, tuple) else size, 1, dtype or self.dtype, device or self.device)
    return _finish(t, requires_grad)


@method
def new_empty(self, *size, dtype=None, device=None, requires_grad=False, **unused):
    """Unspecified content with this tensor's dtype and device."""
    size = unused.get("size", size)
    t = _C.empty(_sizes(size) if isinstance(size, tuple) else size, dtype or self.dtype, device or self.device)
    return _finish(t, requires_grad)


@method
def new_empty_strided(self, size, stride, dtype=None, device=None, requires_grad=False, **unused):
    """Unspecified content with the given sizes and strides."""
    t = _C.empty_strided(size, stride, dtype or self.dtype, device or self.device)
    return _finish(t, requires_grad)


@method
def new_full(self, size, fill_value, dtype=None, device=None, requires_grad=False, **unused):
    """One value with this tensor's dtype and device."""
    return _finish(_C.full(size, fill_value, dtype or self.dtype, device or self.device), requires_grad)


@method
def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, **unused):
    """A copy of data with this tensor's dtype and device."""
    return tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


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
    return _finish(_C.arange(start, end, step, dtype, device), requires_grad, out, "arange")


@function
def range(start=0, end=None, step=1, *, out=None, dtype=None, device=None, requires_grad=False, **unused):
    """Like arange, with the end included."""
    dtype = dtype or dtypes._default_dtype
    count = int((end - start) / step) + 1
    return _finish((_C.arange(0, count, 1, _C.float64, device) * step + start).to(dtype), requires_grad, out, "range")


@function
def linspace(start, end, steps, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):  # fmt: skip
    """`steps` evenly spaced values from start to end, both included."""
    start, end = (v.item() if isinstance(v, _Tensor) else v for v in (start, end))
    if steps < 0:
        raise RuntimeError(f"linspace(): number of steps must be non-negative, got {steps}")
    dtype = dtype or dtypes._default_dtype
    step = (end - start) / (steps - 1) if steps > 1 else 0
    i = _C.arange(0, steps, 1, _C.float64, device)
    if dtype.is_floating_point or dtype is _C.bool:
        # From both ends, so that the last value is exactly `end`.
        t = (i * step + start) * (i < steps / 2) + (end - (steps - 1 - i) * step) * (i >= steps / 2)
    else:
        start, end = int(start), int(end)
        step = (end - start) / (steps - 1) if steps > 1 else 0
        t = (i * step + start) * (i < steps / 2) + (end - (steps - 1 - i) * step) * (i >= steps / 2)
        t = t.trunc()
    if steps == 1:
        t = _C.full((1,), start, _C.float64, device)
    return _finish(t.to(dtype), requires_grad, out, "linspace")


@function
def logspace(start, end, steps, base=10.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, **unused):  # fmt: skip
    """base to the powers of linspace(start, end, steps)."""
    start, end = (v.item() if isinstance(v, _Tensor) else v for v in (start, end))
    dtype = dtype or dtypes._default_dtype
    powers = linspace(start, end, steps, dtype=_C.float64, device=device)
    base = base.item() if isinstance(base, _Tensor) else base
    return _finish((float(base) ** powers).to(dtype), requires_grad, out, "logspace")


@function
def eye(n, m=None, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """The identity matrix, [n, m]."""
    m = n if m is None else m
    if n < 0 or m < 0:
        raise RuntimeError(f"eye(): n and m must be greater or equal to 0, got {n} and {m}")
    t = _C.full((n, m), 0, dtype or dtypes._default_dtype, device)
    _C.fill_(_C.diagonal(t, 0, 0, 1), 1)
    return _finish(t, requires_grad, out, "eye")


@function
def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor with a copy of data.

    Args:
        data: a number, a nested list or tuple of numbers, a NumPy array or a tensor.
        dtype: default: bool, int64 or the default float dtype, by the data.

    Raises:
        ValueError: nested sequences of unequal length.
        TypeError: an element that is not a number.
    """
    if isinstance(data, _Tensor):
        t = data.detach().clone()
        if dtype is not None or device is not None:
            t = t.to(device=device, dtype=dtype)
    elif isinstance(data, (bool, int, float)):
        t = _C.full((), data, dtype or _dtype_of_number(data), device)
    elif hasattr(data, "__array_interface__") or hasattr(data, "__array__"):
        t = from_numpy(_as_array(data)).clone()
        if dtype is not None:
            t = t.to(dtype)
    else:
        if not isinstance(data, (list, tuple)):
            data = list(data)
        t = _from_sequence(data, dtype)
    if requires_grad:
        t.requires_grad = True
    return t


def _as_array(data):
    import numpy as np

    array = np.asarray(data)
    if any(s < 0 for s in array.strides) or not array.dtype.isnative:
        array = np.array(array, dtype=array.dtype.newbyteorder("="), copy=True)
    return array


def _from_sequence(data, dtype):
    first = data
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if isinstance(first, _Tensor) and first.dim() == 0:
        kind = dtype or first.dtype
        return _C.from_sequence(_to_numbers(data), kind, dtypes._default_dtype)
    if hasattr(first, "__array_interface__"):
        t = from_numpy(_as_array(data)).clone()
        return t if dtype is None else t.to(dtype)
    return _C.from_sequence(_to_numbers(data) if isinstance(first, _Tensor) else data, dtype, dtypes._default_dtype)


def _to_numbers(data):
    if isinstance(data, _Tensor):
        return data.tolist()
    return [_to_numbers(v) for v in data] if isinstance(data, (list, tuple)) else data


_KINDS = {
    "|b1": _C.bool, "|u1": _C.uint8, "|i1": _C.int8, "<i2": _C.int16, "<i4": _C.int32, "<i8": _C.int64,
    "<f2": _C.float16, "<f4": _C.float32, "<f8": _C.float64,
}  # fmt: skip


@function
def from_numpy(ndarray):
    """A tensor that shares the memory of a NumPy array.

    Raises:
        TypeError: not an array, or of a dtype that tensors do not have.
        ValueError: negative strides.
    """
    interface = getattr(ndarray, "__array_interface__", None)
    if interface is None:
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    kind = _KINDS.get(interface["typestr"])
    if kind is None:
        raise TypeError(
            f"can't convert np.ndarray of type {ndarray.dtype}. The only supported types are: float64, "
            "float32, float16, int64, int32, int16, int8, uint8, and bool."
        )
    size = kind.itemsize
    strides = interface["strides"]
    if strides is None:
        strides, step = [], size
        for s in reversed(interface["shape"]):
            strides.append(step)
            step *= s if s > 0 else 1
        strides.reverse()
    if any(s % size for s in strides):
        raise ValueError("from_numpy(): strides that are not a multiple of the element size are not supported")
    address, readonly = interface["data"]
    if readonly:
        import warnings

        warnings.warn(
            "The given NumPy array is not writable; writing to the tensor is undefined. Copy the array to "
            "protect its data.",
            stacklevel=2,
        )
    return _C.from_address(address, interface["shape"], tuple(s // size for s in strides), kind, ndarray)


@function
def as_tensor(data, dtype=None, device=None):
    """data as a tensor, without a copy where it is a tensor or a NumPy array of the right dtype."""
    if isinstance(data, _Tensor):
        return data.to(device=device, dtype=dtype)
    if hasattr(data, "__array_interface__") and not isinstance(data, (bool, int, float)) and data.shape != ():
        t = from_numpy(_as_array(data))
        return t if dtype is None else t.to(dtype)
    return tensor(data, dtype=dtype, device=device)


@function
def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """obj as a tensor; shares memory where possible unless copy=True."""
    t = tensor(obj, dtype=dtype, device=device) if copy else as_tensor(obj, dtype, device)
    return _finish(t, requires_grad)


@function
def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """A 1-D tensor over the memory of an object with the buffer protocol.

    Args:
        count: elements, -1 for all.
        offset: in bytes.
    """
    import numpy as np

    if dtype is _C.bfloat16:
        array = np.frombuffer(buffer, dtype=np.int16, count=count, offset=offset)
        return _finish(_C.view_dtype(_quiet_from_numpy(array), dtype), requires_grad)
    array = np.frombuffer(buffer, dtype=dtype.__reduce__(), count=count, offset=offset)
    return _finish(_quiet_from_numpy(array), requires_grad)


def _quiet_from_numpy(array):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return from_numpy(array)


@function
def scalar_tensor(s, *, dtype=None, device=None, requires_grad=False, **unused):
    """A 0-dim tensor that holds s."""
    return _finish(_C.full((), s, dtype or dtypes._default_dtype, device), requires_grad)


class Cast(Node):
    """y = x in another dtype"""

    __slots__ = ("dtype",)

    def backward(self, dy):
        return cast(dy, self.dtype)


def cast(x, dtype):
    """x in another dtype, always a copy."""
    y = _C.cast(x, dtype)
    if y.requires_grad:
        record(Cast, y, (x,)).dtype = x.dtype
    return y


class Clone(Node):
    """y = a copy of x"""

    __slots__ = ()

    def backward(self, dy):
        return dy


@op
def clone(input, *, memory_format=None):
    """A copy with memory of its own; the gradient flows through."""
    y = _C.clone(input, memory_format is None or memory_format is dtypes.preserve_format)
    if y.requires_grad:
        record(Clone, y, (input,))
    return y


@method
def contiguous(self, memory_format=dtypes.contiguous_format):
    """The tensor itself where its memory is in row-major order, else a copy that is."""
    if memory_format is dtypes.channels_last or memory_format is dtypes.channels_last_3d:
        return _channels_last(self)
    if _C.is_contiguous(self):
        return self
    y = _C.contiguous(self)
    if y.requires_grad:
        record(Clone, y, (self,))
    return y


def _channels_last(x):
    """The same values with the channel dim innermost in memory."""
    last = tuple(_C.strides(x.permute(0, *_range(2, x.dim()), 1)))
    if last == tuple(_C.strides(_C.empty(tuple(x.permute(0, *_range(2, x.dim()), 1).shape), _C.bool, None))):
        return x
    y = x.permute(0, *_range(2, x.dim()), 1).contiguous()
    return y.permute(0, y.dim() - 1, *_range(1, y.dim() - 1))


_range = __builtins__["range"] if isinstance(__builtins__, dict) else __builtins__.range


@method
def is_contiguous(self, memory_format=dtypes.contiguous_format):
    """Whether the memory is in row-major order (or channels_last)."""
    if memory_format is dtypes.channels_last and self.dim() == 4:
        return _C.is_contiguous(_C.permute(self, (0, 2, 3, 1)))
    return _C.is_contiguous(self)


@method
def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """The tensor with another dtype or device; itself where nothing changes.

    Args:
        args: a dtype, a device, a device and a dtype, or a tensor to be like.
        copy: a copy in any case.
    """
    for a in args:
        if isinstance(a, _C.dtype):
            dtype = a
        elif isinstance(a, _Tensor):
            dtype, device = a.dtype, a.device
        elif isinstance(a, (str, dtypes.device)):
            device = a
        elif a in (float, int, bool):
            dtype = {float: _C.float32, int: _C.int64, bool: _C.bool}[a]
    if device is not None and str(device) != str(self.device):
        target = dtypes.device(device) if not isinstance(device, dtypes.device) else device
        if target.type != self.device.type:
            _C.empty((0,), self.dtype, target)  # raises: no such device
    result = self
    if dtype is not None and dtype is not self.dtype:
        result = cast(self, dtype)
    elif copy:
        result = clone(self)
    if memory_format is dtypes.channels_last:
        result = _channels_last(result)
    return result


for _name, _dtype in {
    "float": _C.float32, "double": _C.float64, "half": _C.float16, "bfloat16": _C.bfloat16, "long": _C.int64,
    "int": _C.int32, "short": _C.int16, "char": _C.int8, "byte": _C.uint8, "bool": _C.bool,
}.items():  # fmt: skip

    def _convert(self, memory_format=None, _dtype=_dtype):
        return self if self.dtype is _dtype else cast(self, _dtype)

    _convert.__name__ = _name
    _convert.__doc__ = f"The tensor as {_dtype.__reduce__()}."
    METHODS[_name] = _convert


@method
def copy_(self, src, non_blocking=False):
    """Overwrites the tensor with src, broadcast and converted."""
    if not isinstance(src, _Tensor):
        src = tensor(src)
    if _inplace.tracked(self, (src,)):
        value = src.to(self.dtype) if src.dtype is not self.dtype else src
        return _inplace.assign(self, value.expand(self.shape) if value.shape != self.shape else value, "copy_")
    if self._inference:
        _inplace.check(self, "copy_")
    _C.copy_(self, src)
    return self


@method
def fill_(self, value):
    """Overwrites every element with value."""
    if _inplace.tracked(self, (value,)):
        source = value if isinstance(value, _Tensor) else full((), value, dtype=self.dtype)
        return copy_(self, source)
    if self._inference:
        _inplace.check(self, "fill_")
    if isinstance(value, _Tensor):
        if value.dim() != 0:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.dim()} dimensions."
            )
        _C.copy_(self, value)
    else:
        _C.fill_(self, value)
    return self


@function
def fill(input, value):
    """A tensor of input's shape filled with value."""
    if isinstance(value, _Tensor):
        return fill_(clone(input), value)
    return full_like(input, value)


method(fill)


@method
def zero_(self):
    """Overwrites every element with 0."""
    return fill_(self, 0)


@op
def detach(input):
    """The same memory without history."""
    return _C.detach(input)


@method
def detach_(self):
    """Cuts the tensor from its history."""
    self.grad_fn = None
    self.requires_grad = False
    return self


@method
def requires_grad_(self, requires_grad=True):
    """Sets requires_grad; returns the tensor."""
    self.requires_grad = requires_grad
    return self


@method
def resize_(self, *size, memory_format=None):
    """Changes the shape in place; grown content is unspecified."""
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    _C.resize_(self, _sizes(size))
    return self


@method
def resize_as_(self, other, memory_format=None):
    """Changes the shape in place to that of other."""
    return resize_(self, *other.shape)
