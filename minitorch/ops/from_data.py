"""Tensors from Python numbers, NumPy arrays and buffers."""

from __future__ import annotations

from .. import dtypes
from .._load import _C
from ._register import function, method
from .create import dtype_of_number, finish

_Tensor = _C.TensorBase


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
        t = _C.full((), data, dtype or dtype_of_number(data), device)
    elif hasattr(data, "__array_interface__") or hasattr(data, "__array__"):
        t = from_numpy(_as_array(data)).clone()
        if dtype is not None:
            t = t.to(dtype)
    else:
        if not isinstance(data, (list, tuple)):
            data = list(data)
        t = _from_sequence(data, dtype)
    if (device is not None or _C.get_default_device() is not dtypes.cpu) and not isinstance(
        data, _Tensor
    ):
        t = _C.to_device(t, device, False)
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
    return _C.from_sequence(
        _to_numbers(data) if isinstance(first, _Tensor) else data, dtype, dtypes._default_dtype
    )


def _to_numbers(data):
    if isinstance(data, _Tensor):
        return data.tolist()
    return [_to_numbers(v) for v in data] if isinstance(data, (list, tuple)) else data


_KINDS = {
    "|b1": _C.bool, "|u1": _C.uint8, "|i1": _C.int8, "<i2": _C.int16, "<i4": _C.int32, "<i8": _C.int64,
    "<f2": _C.float16, "<f4": _C.float32, "<f8": _C.float64,
}  # fmt: skip


@function
def from_dlpack(ext_tensor):
    """A tensor over the memory of another library's array, on the CPU or on a GPU, without a copy.

    Args:
        ext_tensor: an object with __dlpack__ and __dlpack_device__, or a DLPack capsule.

    Raises:
        TypeError: neither of them, or elements that are no dtype of ours.
        RuntimeError: a device that this build has not.
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        return _C.from_dlpack(ext_tensor)
    kind, index = ext_tensor.__dlpack_device__()
    if int(kind) != 2:
        return _C.from_dlpack(ext_tensor.__dlpack__())
    # The producer makes our stream wait for its own; 1 is the default stream's number.
    return _C.from_dlpack(ext_tensor.__dlpack__(stream=_C.cuda_current_stream(index) or 1))


@function
def from_numpy(ndarray):
    """A tensor that shares the memory of a NumPy array.

    Raises:
        TypeError: not an array, or of a dtype that tensors do not have.
        ValueError: negative strides.
    """
    t = _C.from_array(ndarray)
    if t is not None:
        return t
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
        raise ValueError(
            "from_numpy(): strides that are not a multiple of the element size are not supported"
        )
    address, readonly = interface["data"]
    if readonly:
        import warnings

        warnings.warn(
            "The given NumPy array is not writable; writing to the tensor is undefined. Copy the array to "
            "protect its data.",
            stacklevel=2,
        )
    return _C.from_address(
        address, interface["shape"], tuple(s // size for s in strides), kind, ndarray
    )


@function
def as_tensor(data, dtype=None, device=None):
    """data as a tensor, without a copy where it is a tensor or a NumPy array of the right dtype."""
    if isinstance(data, _Tensor):
        return data.to(device=device, dtype=dtype)
    if (
        hasattr(data, "__array_interface__")
        and not isinstance(data, (bool, int, float))
        and data.shape != ()
    ):
        t = from_numpy(_as_array(data))
        return t if dtype is None else t.to(dtype)
    return tensor(data, dtype=dtype, device=device)


@function
def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """obj as a tensor; shares memory where possible unless copy=True."""
    t = tensor(obj, dtype=dtype, device=device) if copy else as_tensor(obj, dtype, device)
    return finish(t, requires_grad)


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
        return finish(_C.view_dtype(_quiet_from_numpy(array), dtype), requires_grad)
    array = np.frombuffer(buffer, dtype=dtype.__reduce__(), count=count, offset=offset)
    return finish(_quiet_from_numpy(array), requires_grad)


def _quiet_from_numpy(array):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return from_numpy(array)


@method
def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, **unused):
    """A copy of data with this tensor's dtype and device."""
    return tensor(
        data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad
    )
