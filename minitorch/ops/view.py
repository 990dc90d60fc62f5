"""Views: new sizes and strides over the same memory. Gradients are views too, or zeros around them."""

from __future__ import annotations

from .._load import _C
from ._register import METHODS, Node, alias, function, method, op, record

_Tensor = _C.TensorBase


class Reshape(Node):
    """y = x with other sizes"""

    __slots__ = ("shape",)

    def backward(self, dy):
        return reshape(dy, self.shape)


class Transpose(Node):
    """y = x with two dims swapped"""

    __slots__ = ("dims",)

    def backward(self, dy):
        return transpose(dy, *self.dims)


class Permute(Node):
    """y = x with its dims in another order"""

    __slots__ = ("inverse",)

    def backward(self, dy):
        return permute(dy, self.inverse)


class Expand(Node):
    """y = x repeated without a copy; the engine sums the gradient to x's shape"""

    __slots__ = ()

    def backward(self, dy):
        return dy


class Alias(Node):
    """y = x"""

    __slots__ = ()

    def backward(self, dy):
        return dy


@op
def reshape(input, *shape):
    """input with other sizes: a view where the memory allows, else a copy.

    Args:
        shape: sizes, one of which may be -1.

    Raises:
        RuntimeError: the number of elements differs.
    """
    y = _C.reshape(input, shape)
    if y.requires_grad:
        record(Reshape, y, (input,)).shape = input.shape
    return y


@method
def view(self, *shape, dtype=None):
    """The tensor with other sizes, over the same memory; or its bytes as another dtype.

    Raises:
        RuntimeError: the number of elements differs, or only a copy could have these sizes.
    """
    if dtype is not None or (len(shape) == 1 and isinstance(shape[0], _C.dtype)):
        dtype = dtype or shape[0]
        return self if dtype is self.dtype else _C.view_dtype(self.detach(), dtype)
    y = _C.view(self, shape)
    if y.requires_grad:
        record(Reshape, y, (self,)).shape = self.shape
    return y


@method
def view_as(self, other):
    """The tensor with the sizes of other."""
    return view(self, other.shape)


@method
def reshape_as(self, other):
    """reshape to the sizes of other."""
    return reshape(self, other.shape)


@op
def transpose(input, dim0, dim1):
    """Swaps two dims."""
    y = _C.transpose(input, dim0, dim1)
    if y.requires_grad:
        record(Transpose, y, (input,)).dims = (dim0, dim1)
    return y


alias("swapaxes", transpose)
alias("swapdims", transpose)


@op
def t(input):
    """The transpose of a matrix; tensors of fewer dims as they are."""
    if input.dim() > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.dim()}D")
    return transpose(input, 0, 1) if input.dim() == 2 else alias_(input)


@op
def permute(input, *dims):
    """The dims in the given order."""
    dims = dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims
    y = _C.permute(input, dims)
    if y.requires_grad:
        n = len(dims)
        inverse = [0] * n
        for i, d in enumerate(dims):
            inverse[d % n] = i
        record(Permute, y, (input,)).inverse = tuple(inverse)
    return y


@op
def movedim(input, source, destination):
    """Moves dims to new places; the others keep their order."""
    n = input.dim()
    source = (source,) if isinstance(source, int) else tuple(source)
    destination = (destination,) if isinstance(destination, int) else tuple(destination)
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim(): Invalid source or destination dims: source ({source} dims) should contain the "
            f"same number of dims as destination ({destination} dims)"
        )
    source = [wrap_dim(d, n) for d in source]
    destination = [wrap_dim(d, n) for d in destination]
    if len(set(source)) != len(source) or len(set(destination)) != len(destination):
        raise RuntimeError(f"movedim(): repeated dim in {source} or {destination}")
    order = [-1] * n
    for s, d in zip(source, destination):
        order[d] = s
    rest = iter(d for d in range(n) if d not in source)
    return permute(input, tuple(next(rest) if d < 0 else d for d in order))


alias("moveaxis", movedim)


def wrap_dim(dim, n):
    """dim in [-n, n) as an index; IndexError otherwise."""
    n = n or 1
    if not -n <= dim < n:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
        )
    return dim % n


@method
def expand(self, *sizes, implicit=False):
    """The tensor repeated along dims of size 1, without a copy; -1 keeps a size."""
    y = _C.expand(self, sizes)
    if y.requires_grad:
        record(Expand, y, (self,))
    return y


@method
def expand_as(self, other):
    """expand to the sizes of other."""
    return expand(self, other.shape)


@op
def broadcast_to(input, size):
    """input expanded to the size."""
    return expand(input, tuple(size))


@function
def broadcast_shapes(*shapes):
    """The shape that tensors of these shapes broadcast to."""
    from ..dtypes import Size

    result = ()
    for shape in shapes:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        n = max(len(result), len(shape))
        a = (1,) * (n - len(result)) + tuple(result)
        b = (1,) * (n - len(shape)) + shape
        for x, y in zip(a, b):
            if x < 0 or y < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({min(x, y)})")
            if x != y and x != 1 and y != 1:
                raise RuntimeError(
                    f"Shape mismatch: objects cannot be broadcast to a single shape: {tuple(result)} and {shape}"
                )
        result = tuple(y if x == 1 else x for x, y in zip(a, b))
    return Size(result)


@function
def broadcast_tensors(*tensors):
    """The tensors, expanded to their common shape."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tensors[0]
    shape = broadcast_shapes(*(x.shape for x in tensors))
    return tuple(expand(x, shape) for x in tensors)


@op
def unsqueeze(input, dim):
    """A new dim of size 1 at `dim`."""
    y = _C.unsqueeze(input, dim)
    if y.requires_grad:
        record(Reshape, y, (input,)).shape = input.shape
    return y


@op
def squeeze(input, dim=None):
    """Without the dims of size 1, all or the given ones."""
    y = _C.squeeze(input, dim)
    if y.requires_grad:
        record(Reshape, y, (input,)).shape = input.shape
    return y


def _reshape_in_place(name, change):
    def f(self, *args):
        y = change(self.detach(), *args)
        if self.requires_grad and _C.is_grad_enabled():
            from ..autograd import inplace

            inplace.check(self, name)
            old = change(view_as(self, self), *args)
            _C.set_data(self, y)
            _C.set_history(self, old.grad_fn, 0)
        else:
            _C.set_data(self, y)
        return self

    f.__name__ = name
    f.__doc__ = f"In-place form of {name[:-1]}: changes the tensor's own sizes."
    METHODS[name] = f


_reshape_in_place("unsqueeze_", unsqueeze)
_reshape_in_place("squeeze_", squeeze)
_reshape_in_place("transpose_", transpose)
_reshape_in_place("t_", t)
METHODS["swapaxes_"] = METHODS["swapdims_"] = METHODS["transpose_"]


@op
def flatten(input, start_dim=0, end_dim=-1):
    """Joins the dims from start_dim to end_dim into one."""
    y = _C.flatten(input, start_dim, end_dim)
    if y.dim() == input.dim():
        return input
    if y.requires_grad:
        record(Reshape, y, (input,)).shape = input.shape
    return y


@op
def unflatten(input, dim, sizes):
    """Splits a dim into several; one of `sizes` may be -1."""
    d = wrap_dim(dim, input.dim())
    sizes = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    shape = input.shape
    known = 1
    for s in sizes:
        known *= s if s != -1 else 1
    if -1 in sizes and known and shape[d] % known == 0:
        sizes = tuple(shape[d] // known if s == -1 else s for s in sizes)
    total = 1
    for s in sizes:
        total *= s
    if total != shape[d]:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {d} ({shape[d]}) "
            "in the input tensor"
        )
    return view(input, tuple(shape[:d]) + sizes + tuple(shape[d + 1 :]))


@op
def ravel(input):
    """All elements in one dim."""
    return reshape(input, (-1,))


def alias_(x):
    """A view of all of x."""
    y = _C.alias(x)
    if y.requires_grad:
        record(Alias, y, (x,))
    return y


@method
def stride(self, dim=None):
    """Steps in memory between neighbours along each dim, in elements; or along one dim."""
    strides = tuple(_C.strides(self))
    return strides if dim is None else strides[wrap_dim(dim, len(strides))]


@method
def size(self, dim=None):
    """The shape, or the size of one dim."""
    return self.shape if dim is None else self.shape[wrap_dim(dim, self.dim())]
