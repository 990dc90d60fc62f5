"""Element types, devices, sizes and their limits."""

from __future__ import annotations

from ._load import _C

dtype = _C.dtype
bool = _C.bool
uint8 = _C.uint8
int8 = _C.int8
int16 = short = _C.int16
int32 = int = _C.int32
int64 = long = _C.int64
float16 = half = _C.float16
bfloat16 = _C.bfloat16
float32 = float = _C.float32
float64 = double = _C.float64

# By name, for pickles and conversions from NumPy.
BY_NAME = {
    d.__reduce__(): d
    for d in (
        bool,
        uint8,
        int8,
        int16,
        int32,
        int64,
        float16,
        bfloat16,
        float32,
        float64,
    )
}


class Size(tuple):
    """The sizes of a tensor: a tuple of ints.

    Args:
        sizes: an iterable of ints.

    >>> import minitorch
    >>> minitorch.zeros(2, 3).shape
    minitorch.Size([2, 3])
    """

    __slots__ = ()

    def numel(self):
        """Number of elements: the product of the sizes."""
        n = 1
        for s in self:
            n *= s
        return n

    def __repr__(self):
        return f"minitorch.Size([{', '.join(map(str, self))}])"

    def __add__(self, other):
        return Size(tuple.__add__(self, tuple(other)))

    def __radd__(self, other):
        return Size(tuple(other) + tuple(self))

    def __getitem__(self, index):
        out = tuple.__getitem__(self, index)
        return Size(out) if isinstance(index, slice) else out

    def __reduce__(self):
        return (Size, (tuple(self),))


class device:
    """Where a tensor's memory lies. As a context manager, where new tensors are made.

    Args:
        type: "cpu", "cuda", "cuda:1" ..., or another device.
        index: number of the device of that type.

    Raises:
        RuntimeError: an unknown type.
    """

    __slots__ = ("index", "type")

    def __init__(self, type, index=None):
        if isinstance(type, device):
            type, index = type.type, type.index if index is None else index
        if isinstance(type, _py_int):
            type, index = "cuda", type
        if not isinstance(type, str):
            raise TypeError(f"device(): type must be a str, got {type.__class__.__name__}")
        name, colon, number = type.partition(":")
        if name not in ("cpu", "cuda", "meta"):
            raise RuntimeError(f"device(): expected one of cpu, cuda device type, got {type!r}")
        if colon:
            if index is not None or not number.isdigit():
                raise RuntimeError(f"device(): invalid device string {type!r}")
            index = _py_int(number)
        object.__setattr__(self, "type", name)
        object.__setattr__(self, "index", index)

    def __setattr__(self, name, value):
        raise AttributeError(f"device.{name} cannot be changed")

    # As a context: the default device inside.
    def __enter__(self):
        _defaults.append(_C.get_default_device())
        _C.set_default_device(self)
        return self

    def __exit__(self, *exception):
        _C.set_default_device(_defaults.pop())
        return False

    def __repr__(self):
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other):
        return isinstance(other, device) and self.type == other.type and self.index == other.index

    def __hash__(self):
        return hash((self.type, self.index))

    def __reduce__(self):
        return (device, (self.type, self.index))


_py_int = (0).__class__
_defaults: list = []  # default devices outside of the `with device(...)` blocks entered

cpu = device("cpu")
_C.register_devices(device, cpu)


class layout:
    """How a tensor lies in memory; only the strided layout exists."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"minitorch.{self.name}"


class memory_format(layout):
    """An order of the dims in memory."""

    __slots__ = ()


strided = layout("strided")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")

_default_dtype = float32


def get_default_dtype():
    """The dtype of new floating point tensors."""
    return _default_dtype


def set_default_dtype(d):
    """Sets the dtype of new floating point tensors.

    Raises:
        TypeError: `d` is not a floating point dtype.
    """
    global _default_dtype
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(
            "set_default_dtype(): only floating-point types are supported as the default"
        )
    _default_dtype = d


class finfo:
    """Limits of a floating point dtype: eps, max, min, tiny, smallest_normal, resolution, bits."""

    _LIMITS = {  # mantissa bits, largest exponent, smallest exponent, decimal digits
        "float16": (10, 16, -14, 3),
        "bfloat16": (7, 128, -126, 2),
        "float32": (23, 128, -126, 6),
        "float64": (52, 1024, -1022, 15),
    }

    def __init__(self, type=None):
        type = _default_dtype if type is None else type
        name = type.__reduce__()
        if name not in self._LIMITS:
            raise TypeError(f"finfo(): expected a floating point dtype, got {type}. Use iinfo.")
        mantissa, top, bottom, digits = self._LIMITS[name]
        self.dtype = name
        self.bits = type.itemsize * 8
        self.eps = 2.0**-mantissa
        self.max = (2.0 - 2.0**-mantissa) * 2.0 ** (top - 1)
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0**bottom
        self.resolution = 10.0**-digits

    def __repr__(self):
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.tiny:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer dtype: min, max, bits."""

    def __init__(self, type):
        name = type.__reduce__()
        if type.is_floating_point or name == "bool":
            raise TypeError(f"iinfo(): expected an integer dtype, got {type}. Use finfo.")
        self.dtype = name
        self.bits = type.itemsize * 8
        self.min = -(2 ** (self.bits - 1)) if type.is_signed else 0
        self.max = 2 ** (self.bits - (1 if type.is_signed else 0)) - 1

    def __repr__(self):
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
