"""Histories of views whose base was changed in place."""

from __future__ import annotations

from .._load import _C
from .node import Node, record


def _with_layout(grad, base):
    """The gradient laid out in memory as `base`, so that a view's strides mean the same in it."""
    if grad.stride() == base[1]:
        return grad
    out = _C.empty_strided(base[0], base[1], grad.dtype, grad.device)
    _C.copy_(out, grad)
    return out


class AsStridedView(Node):
    """A view of a base, by geometry alone: sizes, strides, offset from the base's first element."""

    __slots__ = ("base", "geometry")

    def backward(self, dy):
        sizes, strides = self.base
        dx = _C.empty_strided(sizes, strides, dy.dtype, dy.device)
        _C.fill_(dx, 0)
        _C.copy_(_C.as_strided(dx, *self.geometry), dy)
        return dx


class CopySlices(Node):
    """base with one of its views overwritten: the old base loses that part of the gradient."""

    __slots__ = ("base", "geometry")

    def backward(self, d_base):
        laid_out = _with_layout(d_base.detach(), self.base)
        d_view = _C.as_strided(laid_out, *self.geometry).clone() if self.needs(1) else None
        d_old = None
        if self.needs(0):
            d_old = _C.clone(laid_out, True)
            _C.fill_(_C.as_strided(d_old, *self.geometry), 0)
        return d_old, d_view


def _geometry(view, base):
    return (view.shape, view.stride(), view.storage_offset() - base.storage_offset())


def overwrite(base, view, value):
    """Records that `view`, a view of `base`, now holds `value`."""
    node = record(CopySlices, base, (base, value))
    node.base = (base.shape, base.stride())
    node.geometry = _geometry(view, base)


def refresh(view):
    """Gives a view of a base that was changed in place its new history."""
    base = view._base
    node = record(AsStridedView, view, (base,))
    node.base = (base.shape, base.stride())
    node.geometry = _geometry(view, base)
