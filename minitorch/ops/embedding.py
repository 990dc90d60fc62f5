"""Rows of a table: embedding, embedding_bag, one_hot."""

from __future__ import annotations

from .._load import _C
from ._register import Node, functional, record

_Tensor = _C.TensorBase


class Embedding(Node):
    """y = weight[index];  dweight[index] += dy, but for the row `padding`"""

    __slots__ = ("by_count", "padding", "rows")

    def backward(self, dy):
        (index,) = self.saved
        dw = embedding_grad(dy, index, self.rows, self.padding)
        if self.by_count:
            flat = index.reshape(-1).to(_C.int64)
            counts = _C.full((self.rows,), 0, dw.dtype, dw.device)
            ones = _C.full((1,), 1, dw.dtype, dw.device).expand(flat.shape[0])
            _C.index_write_(counts, 0, flat, ones, "add", "embedding")
            dw = dw / counts.masked_fill(counts == 0, 1).unsqueeze(1)
        return dw


class EmbeddingGrad(Node):
    """dweight as a function of dy"""

    __slots__ = ("padding",)

    def backward(self, ddw):
        (index,) = self.saved
        ddy = embedding(index, ddw)
        if self.padding >= 0:
            ddy = ddy.masked_fill((index == self.padding).unsqueeze(-1), 0)
        return ddy


def embedding_grad(dy, index, rows, padding):
    """Rows of dy added up per index; (rows, width)."""
    if not (_C.is_grad_enabled() and dy.requires_grad):
        return _C.embedding_backward(dy, index, rows, padding)
    dw = _C.embedding_backward(dy.detach(), index, rows, padding)
    record(EmbeddingGrad, dw, (dy,), (index,)).padding = padding
    return dw


def _padding(padding_idx, rows, name):
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise AssertionError(f"{name}(): padding_idx must be within num_embeddings")
    return padding_idx % rows


@functional
def embedding(
    input,
    weight,
    padding_idx=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq=False,
    sparse=False,
):
    """Rows of weight.

    Args:
        input: int64 or int32 tensor of any shape.
        weight: (rows, width).
        padding_idx: a row that gets no gradient.
        max_norm: rows in use with a larger norm are scaled to it, in place.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide the gradient of a row by how often it is used.
        sparse: accepted; gradients are dense.

    Returns:
        (*input.shape, width)

    Raises:
        IndexError: an index outside of the table.
    """
    if max_norm is not None:
        _renormalise(weight, input, max_norm, norm_type)
    y = _C.embedding(weight, input)
    if y.requires_grad:
        node = record(Embedding, y, (weight,), (input,))
        node.rows, node.by_count = weight.shape[0], scale_grad_by_freq
        node.padding = _padding(padding_idx, weight.shape[0], "embedding")
    elif padding_idx is not None:
        _padding(padding_idx, weight.shape[0], "embedding")
    return y


def _renormalise(weight, index, max_norm, norm_type):
    """Scales the rows in use to at most max_norm, in place and outside of autograd."""
    rows = weight.detach()
    used = _C.full((rows.shape[0],), False, _C.bool, rows.device)
    _C.index_fill_(used, 0, index.reshape(-1).to(_C.int64), True)
    before = _C.set_grad_enabled(False)
    try:
        norms = (rows.abs() ** norm_type).sum(1) ** (1.0 / norm_type)
        scale = (max_norm / (norms + 1e-7)).masked_fill(~(used & (norms > max_norm)), 1)
        rows.mul_(scale.unsqueeze(1))
    finally:
        _C.set_grad_enabled(before)


@functional
def one_hot(tensor, num_classes=-1):
    """1 at the place that each element names, else 0.

    Args:
        tensor: int64 tensor of any shape.
        num_classes: size of the new last dim; -1 for the largest element + 1.

    Returns:
        int64, (*tensor.shape, num_classes)
    """
    if tensor.dtype is not _C.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if num_classes == -1:
        if tensor.numel() == 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = int(tensor.max()) + 1
    if num_classes <= 0 and tensor.numel():
        raise RuntimeError("Class values must be smaller than num_classes.")
    if tensor.numel():
        if bool((tensor < 0).any()):
            raise RuntimeError("Class values must be non-negative.")
        if bool((tensor >= num_classes).any()):
            raise RuntimeError("Class values must be smaller than num_classes.")
    y = _C.full((*tensor.shape, num_classes), 0, _C.int64, tensor.device)
    if tensor.numel():
        _C.scatter_(y, -1, tensor.unsqueeze(-1), 1, "set", "one_hot")
    return y
