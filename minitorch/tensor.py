"""The Tensor class: Python's operators and protocols. Everything else is attached from minitorch/ops."""

from __future__ import annotations

from . import dtypes
from ._load import _C
from .autograd import engine, hooks, views
from .legacy import TYPE_NAMES, UntypedStorage
from .operators import Operators
from .ops import METHODS
from .ops.view import alias_, transpose


class Tensor(Operators, _C.TensorBase):
    """A strided, multi-dimensional array with automatic differentiation.

    Made by minitorch.tensor(), zeros(), randn() ... and by every operation. `Tensor(2, 3)` gives
    unspecified content, `Tensor([1, 2])` float32 values.
    """

    __slots__ = ()
    __hash__ = object.__hash__
    __array_priority__ = 1000
    is_sparse = is_quantized = is_meta = is_mkldnn = is_nested = False
    names = None

    def __new__(cls, *args, dtype=None, device=None):
        from .ops import create, from_data

        if len(args) == 1 and isinstance(args[0], Tensor):
            data = args[0].detach()
        elif len(args) == 1 and not isinstance(args[0], int):
            data = from_data.tensor(args[0], dtype=dtype or dtypes.float32)
        else:
            data = create.empty(*(args or (0,)), dtype=dtype or dtypes.float32)
        return _C.make_subclass(cls, data, False)

    @staticmethod
    def _make_subclass(cls, data, require_grad=False):
        return _C.make_subclass(cls, data, require_grad)

    # --- Python values and protocols

    def item(self):
        """The only element, as a Python number.

        Raises:
            RuntimeError: more or fewer elements than one.
        """
        return _C.item(self)

    def tolist(self):
        """Nested lists of Python numbers; a number for a 0-dim tensor."""
        return _C.tolist(self)

    def __bool__(self):
        if self.numel() == 1:
            return bool(_C.item(self))
        kind = "no values" if self.numel() == 0 else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {kind} is ambiguous")

    def __int__(self):
        return int(_C.item(self))

    def __float__(self):
        return float(_C.item(self))

    def __complex__(self):
        return complex(_C.item(self))

    def __index__(self):
        if self.dtype.is_floating_point or self.numel() != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(_C.item(self))

    def __len__(self):
        if self.dim() == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self):
        if self.dim() == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(METHODS["unbind"](self, 0))

    def __reversed__(self):
        return METHODS["flip"](self, (0,)) if self.dim() else self

    def __contains__(self, element):
        return bool((self == element).any())

    def __format__(self, spec):
        return (
            format(_C.item(self), spec)
            if self.dim() == 0 and spec
            else object.__format__(self, spec)
        )

    def __repr__(self, *, tensor_contents=None):
        from .printing import tensor_repr

        return tensor_repr(self)

    @property
    def __array_interface__(self):
        if self.requires_grad:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
            )
        if self.is_cuda:
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy "
                "the tensor to host memory first."
            )
        kind = self.dtype.__reduce__()
        if kind == "bfloat16":
            raise TypeError("NumPy has no bfloat16: convert with .float() first")
        code = (
            "b" if kind == "bool" else "u" if kind == "uint8" else "f" if "float" in kind else "i"
        )
        size = self.dtype.itemsize
        return {
            "shape": tuple(self.shape),
            "typestr": f"{'|' if size == 1 else '<'}{code}{size}",
            "data": (self.data_ptr(), False),
            "strides": tuple(s * size for s in self.stride()),
            "version": 3,
        }

    def numpy(self, *, force=False):
        """A NumPy array over the same memory.

        Args:
            force: detach first, and copy from a GPU.

        Raises:
            RuntimeError: the tensor requires grad.
            TypeError: bfloat16, which NumPy lacks, or a tensor on a GPU.
        """
        global _asarray
        if _asarray is None:
            from numpy import asarray as _asarray
        source = self.detach().cpu() if force else self
        if self.numel() == 0:
            import numpy as np

            _ = source.__array_interface__  # raises where numpy() is not allowed
            return np.empty(tuple(self.shape), self.dtype.__reduce__())
        return _asarray(source)

    def __array__(self, dtype=None, copy=None):
        array = self.numpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if self.requires_grad:
            raise BufferError("a tensor that requires grad cannot be exported: use detach()")
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            raise BufferError(f"export to another device ({dl_device}) is not supported")
        if self.is_cuda and stream != -1:
            self._join_stream(stream)
        return _C.to_dlpack(self.clone() if copy else self)

    def _join_stream(self, stream):
        """Lets a stream of another library (None and 1: the default one) wait for this one's."""
        from .cuda.streams import Stream, current_stream

        index = self.device.index
        other = Stream._of(index, 0 if stream in (None, 1) else stream)
        if other != current_stream(index):
            other.wait_stream(current_stream(index))

    def __dlpack_device__(self):
        return (2, self.device.index) if self.is_cuda else (1, 0)

    def __reduce_ex__(self, protocol):
        from .pickling import reduce

        return reduce(self)

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        if self.grad_fn is not None:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol "
                "at the moment."
            )
        import copy

        made = _C.make_subclass(type(self), _C.clone(self.detach(), True), self.requires_grad)
        memo[id(self)] = made
        if self.grad is not None:
            made.grad = copy.deepcopy(self.grad, memo)
        if self.__dict__:
            made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    # --- autograd

    def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
        """Accumulates the gradient of this tensor in the leaves' .grad.

        Args:
            gradient: of this tensor's shape; not needed for a single element.
            retain_graph, create_graph, inputs: as in minitorch.autograd.backward.
        """
        engine.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    @property
    def data(self):
        """The same memory outside of autograd's sight."""
        return _C.data(self)

    @data.setter
    def data(self, value):
        _C.set_data(self, value)

    def register_hook(self, hook):
        """Calls hook(grad) when this tensor's gradient is known; it may return another gradient."""
        return hooks.register_hook(self, hook)

    def register_post_accumulate_grad_hook(self, hook):
        """Calls hook(tensor) after .grad was updated; for leaves."""
        return hooks.register_post_accumulate_grad_hook(self, hook)

    def retain_grad(self):
        """Keeps this computed tensor's gradient in .grad."""
        hooks.retain_grad(self)

    @property
    def retains_grad(self):
        """Whether retain_grad() was called on this computed tensor."""
        node = self.grad_fn
        if node is None or node.hooks is None:
            return False
        reference = node.hooks.retained.get(self.output_nr)
        return reference is not None and reference() is self

    # --- properties

    @property
    def T(self):
        """The tensor with its dims reversed."""
        return METHODS["permute"](self, tuple(range(self.dim() - 1, -1, -1)))

    @property
    def mT(self):
        """The tensor with its last two dims swapped."""
        if self.dim() < 2:
            raise RuntimeError(
                f"tensor.mT is only supported on matrices or batches of matrices. Got {self.dim()}-D tensor."
            )
        return transpose(self, -2, -1)

    @property
    def H(self):
        """The transpose of a matrix (real tensors)."""
        if self.dim() not in (0, 2):
            raise RuntimeError(
                f"tensor.H is only supported on matrices (2-D tensors). Got {self.dim()}-D tensor."
            )
        return transpose(self, 0, 1) if self.dim() else alias_(self)

    @property
    def mH(self):
        """mT (real tensors)."""
        return self.mT

    @property
    def real(self):
        """The tensor itself (real tensors)."""
        return self

    @property
    def is_cpu(self):
        """Whether the memory lies on the CPU."""
        return self.device.type == "cpu"

    @property
    def is_cuda(self):
        """Whether the memory lies on a GPU."""
        return self.device.type == "cuda"

    @property
    def layout(self):
        """Always minitorch.strided."""
        return dtypes.strided

    @property
    def itemsize(self):
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self):
        """Bytes of all elements."""
        return self.numel() * self.dtype.itemsize

    def cpu(self, memory_format=None):
        """The tensor in CPU memory."""
        return self.to(device="cpu")

    def cuda(self, device=None, non_blocking=False, memory_format=None):
        """The tensor in GPU memory; itself where it lies there."""
        return self.to(
            device="cuda" if device is None else device,
            non_blocking=non_blocking,
            memory_format=memory_format,
        )

    def type(self, dtype=None, non_blocking=False):
        """The legacy type name, or the tensor converted to a dtype, such a name or such a type; the
        latter two say cpu or cuda as well."""
        if dtype is None:
            return f"minitorch.{'cuda.' if self.is_cuda else ''}{TYPE_NAMES[self.dtype]}"
        device = getattr(dtype, "legacy_device", None)
        if isinstance(dtype, str):
            place, _, name = dtype.rpartition(".")
            dtype = next((d for d, n in TYPE_NAMES.items() if n == name), None)
            if dtype is None:
                raise ValueError(f"invalid type: {name!r}")
            device = "cuda" if place.endswith(".cuda") else "cpu"
        if device is None or device == self.device.type:
            device = self.device
        return self.to(device, getattr(dtype, "legacy_dtype", dtype))

    def type_as(self, other):
        """The tensor with the dtype and device of other."""
        return self.to(other)

    def is_floating_point(self):
        """Whether the dtype is a floating point one."""
        return self.dtype.is_floating_point

    def is_complex(self):
        """False: there are no complex dtypes."""
        return False

    def is_signed(self):
        """Whether the dtype has negative values."""
        return self.dtype.is_signed

    def is_inference(self):
        """Whether the tensor was made in inference_mode."""
        return self._inference

    def is_pinned(self):
        """Whether the memory is page-locked."""
        return bool(_C.cuda_build()) and _C.cuda_is_pinned(self)

    def pin_memory(self, device=None):
        """The values in page-locked memory, from which a GPU copies without a detour; the tensor
        itself where it is already, or where no GPU can be used."""
        if _C.cuda_device_count() == 0 or _C.cuda_is_pinned(self):
            return self
        return _C.cuda_pin_memory(self)

    def record_stream(self, stream):
        """Keeps the memory from being reused before work that a stream has now is done."""
        _C.cuda_record_stream(self, stream._index, stream.cuda_stream)

    def get_device(self):
        """Number of the GPU that the memory lies on, -1 on the CPU."""
        return -1 if self.device.index is None else self.device.index

    def is_shared(self):
        """Whether the memory is shared with other processes."""
        return False

    def share_memory_(self):
        """The tensor itself: DataLoader workers send copies."""
        return self

    def untyped_storage(self):
        """The memory that all views share."""
        return UntypedStorage(self)

    storage = untyped_storage

    def __setstate__(self, state):
        self.__dict__.update(state)


_asarray = None  # numpy's, once it is needed


for _name, _function in METHODS.items():
    setattr(Tensor, _name, _function)

_C.register_classes(Tensor, dtypes.Size, views.refresh)
