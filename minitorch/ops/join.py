"""Joining tensors, and cutting one into views."""

from __future__ import annotations

from .._load import _C
from ._register import Node, alias, function, op, record, write_out
from .view import wrap_dim

_Tensor = _C.TensorBase


class Cat(Node):
    """y = the inputs one after the other along a dim"""

    __slots__ = ("dim", "lengths")

    def backward(self, dy):
        return split_with_sizes(dy, self.lengths, self.dim)


class Stack(Node):
    """y = the inputs along a new dim"""

    __slots__ = ("dim",)

    def backward(self, dy):
        return unbind(dy, self.dim)


class Split(Node):
    """ys = consecutive parts of x along a dim"""

    __slots__ = ("dim", "dtype", "shape", "shapes")

    def backward(self, *dys):
        device = next(dy.device for dy in dys if dy is not None)
        return cat([_given(dy, s, self, device) for dy, s in zip(dys, self.shapes)], self.dim)


class Unbind(Node):
    """ys = the slices of x along a dim"""

    __slots__ = ("dim", "dtype", "shapes")

    def backward(self, *dys):
        device = next(dy.device for dy in dys if dy is not None)
        return stack([_given(dy, s, self, device) for dy, s in zip(dys, self.shapes)], self.dim)


def _given(dy, shape, node, device):
    return _C.full(shape, 0, node.dtype, device) if dy is None else dy


def _any_requires_grad(y):
    return y and y[0].requires_grad


@function
def cat(tensors, dim=0, *, out=None):
    """The tensors one after the other along a dim.

    Args:
        tensors: sequence of tensors that have the same sizes apart from `dim`.

    Raises:
        RuntimeError: sizes that do not match, or a 0-dim tensor.
    """
    tensors = tensors if tensors.__class__ is tuple else tuple(tensors)
    y = _C.cat(tensors, dim)
    if y.requires_grad:
        node = record(Cat, y, tensors)
        node.dim = dim = wrap_dim(dim, y.dim())
        node.lengths = tuple(t.shape[dim] if t.dim() == y.dim() else 0 for t in tensors)
    return y if out is None else write_out(out, y, "cat")


alias("concat", cat)
alias("concatenate", cat)


@function
def stack(tensors, dim=0, *, out=None):
    """The tensors along a new dim.

    Args:
        tensors: sequence of tensors of the same shape.
    """
    tensors = tensors if tensors.__class__ is tuple else tuple(tensors)
    y = _C.stack(tensors, dim)
    if y.requires_grad:
        record(Stack, y, tensors).dim = wrap_dim(dim, y.dim())
    return y if out is None else write_out(out, y, "stack")


def _recorded(cls, ys, input, dim):
    if ys and ys[0].requires_grad:
        node = record(cls, ys, (input,))
        node.dim, node.dtype = dim, input.dtype
        node.shapes = tuple(y.shape for y in ys)
    return ys


@op
def split(tensor, split_size_or_sections, dim=0):
    """Views of parts of a dim, of a size (the last one may be smaller) or of the listed sizes."""
    if isinstance(split_size_or_sections, int):
        ys = _C.split_evenly(tensor, split_size_or_sections, dim)
    else:
        ys = _C.split_sizes(tensor, tuple(split_size_or_sections), dim)
    return _recorded(Split, ys, tensor, dim)


@op
def split_with_sizes(input, split_sizes, dim=0):
    """Views of parts of a dim of the listed sizes."""
    return _recorded(Split, _C.split_sizes(input, tuple(split_sizes), dim), input, dim)


@op
def chunk(input, chunks, dim=0):
    """At most `chunks` views of equal size along a dim, the last one may be smaller."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    if input.dim() == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    n = input.shape[wrap_dim(dim, input.dim())]
    size = -(-n // chunks)
    if size == 0:
        return split_with_sizes(input, (0,) * chunks, dim)
    return split(input, size, dim)


@op
def unbind(input, dim=0):
    """The slices along a dim, as views without it."""
    return _recorded(Unbind, _C.unbind(input, dim), input, dim)
