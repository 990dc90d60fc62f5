"""Histories of views whose base was changed in place."""

from __future__ import annotations

from .._load import _C
from .node import Node, record


class AsStridedView(Node):
    """A view of a base, by geometry alone: sizes, strides, offset from the base's first element."""

    __slots__ = ("base", "geometry")

    def backward(self, dy):
        dx = _C.empty_strided(*self.base, dy.dtype, dy.device).zero_()
        dx.as_strided(*self.geometry).copy_(dy)
        return dx


class CopySlices(Node):
    """base with one of its views overwritten: the old base loses that part of the gradient."""

    __slots__ = ("base", "geometry")

    def backward(self, d_base):
        # Laid out in memory as the base was, so that the view's strides mean the same in it. All of
        # it is recorded under create_graph.
        d_old = _C.empty_strided(*self.base, d_base.dtype, d_base.device).copy_(d_base)
        d_view = d_old.as_strided(*self.geometry).clone()
        d_old.as_strided(*self.geometry).zero_()
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
