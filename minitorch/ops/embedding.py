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


@functional
def embedding_bag(
    input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean",
    sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None,
):  # fmt: skip
    """Sums, means or maxima of bags of rows of weight.

    Args:
        input: (bags, n) indices, or (n,) indices with the bags' starts in `offsets`.
        weight: (rows, width).
        offsets: (bags,), the first one 0; with include_last_offset one more, the end.
        mode: "sum", "mean" or "max"; an empty bag gives zeros.
        per_sample_weights: a factor per index, for "sum".
        padding_idx: an index that takes no part.
        max_norm, norm_type, scale_grad_by_freq, sparse: as in embedding.

    Returns:
        (bags, width)
    """
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError(
                "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for "
                f"mode='sum' (got mode='{mode}')."
            )
        if per_sample_weights.shape != input.shape:
            raise ValueError(
                f"embedding_bag: If per_sample_weights ({tuple(per_sample_weights.shape)}) is not None, then it "
                f"must have the same shape as the input ({tuple(input.shape)})"
            )
    bag, bags = _bags(input, offsets, include_last_offset)
    input = input.reshape(-1)
    rows = embedding(
        input, weight, padding_idx, max_norm, float(norm_type), scale_grad_by_freq and mode != "max"
    )
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    if padding_idx is not None:
        kept = _C.nonzero(input != _padding(padding_idx, weight.shape[0], "embedding_bag")).reshape(
            -1
        )
        bag, rows = bag.index_select(0, kept), rows.index_select(0, kept)
    out = _C.full((bags, weight.shape[1]), 0, weight.dtype, weight.device)
    if mode == "max":
        where = bag.unsqueeze(1).expand(rows.shape)
        return out.scatter_reduce(0, where, rows, "amax", include_self=False)
    out = out.index_add(0, bag, rows)
    if mode == "sum":
        return out
    counts = _C.full((bags,), 0, weight.dtype, weight.device)
    _C.index_write_(
        counts, 0, bag, _C.full(bag.shape, 1, weight.dtype, weight.device), "add", "embedding_bag"
    )
    return out / counts.masked_fill(counts == 0, 1).unsqueeze(1)


def _bags(input, offsets, include_last_offset):
    """The bag of every index, and the number of bags."""
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch"
            )
        bags, n = input.shape
        return _C.arange(0, bags, 1, _C.int64, input.device).repeat_interleave(n), bags
    if input.dim() != 1:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}"
        )
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.dim() != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    n = input.shape[0]
    if offsets.is_cuda and offsets.numel():
        return _bags_on_device(n, offsets, include_last_offset)
    starts = offsets.tolist()
    if starts and starts[0] != 0:
        raise ValueError(f"offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
                         f"position 0. However, got {starts[0]}")  # fmt: skip
    ends = starts[1:] if include_last_offset else [*starts[1:], n]
    lengths = [b - a for a, b in zip(starts, ends)]
    if any(k < 0 for k in lengths) or (ends and ends[-1] > n):
        raise ValueError(f"offsets {starts} do not cut {n} indices into bags")
    counts = _C.from_sequence(lengths, _C.int64, _C.float32).to(input.device)
    bag = _C.repeat_places(counts, -1)
    if bag.shape[0] != n:
        raise ValueError(f"offsets {starts} do not cover {n} indices")
    return bag, len(lengths)


def _bags_on_device(n, offsets, include_last_offset):
    """_bags without the offsets on the host, which waits for their sum only."""
    starts, bags = offsets.detach().to(_C.int64), offsets.shape[0] - include_last_offset
    if not include_last_offset:
        starts = _C.cat([starts, _C.full((1,), n, _C.int64, offsets.device)], 0)
    # Offsets that do not begin at 0, or end behind n, give another sum.
    bag = _C.repeat_places(starts[1:] - starts[:-1], -1)
    if bag.shape[0] != n:
        raise ValueError(f"offsets {offsets.tolist()} do not cut {n} indices into bags")
    return bag, bags
