"""Distances and similarities of vectors; formulas in csrc/kernels/distance.cpp."""

from __future__ import annotations

from .._load import _C
from ._compose import gradients
from ._register import FUNCTIONS, Node, function, functional, record


class Cdist(Node):
    """y[i, j] = |x1[i] - x2[j]|_p"""

    __slots__ = ("p",)

    def backward(self, dy):
        x1, x2, y = self.saved
        if _C.is_grad_enabled():
            needs = self.needs_input_grad
            return gradients(lambda a, b: _composed(a, b, self.p), (x1, x2), needs, (dy,))
        d1 = d2 = None
        if self.needs(0):
            d1 = _C.cdist_backward(dy, x1, x2, y, self.p)
        if self.needs(1):
            d2 = _C.cdist_backward(dy.transpose(-1, -2), x2, x1, y.transpose(-1, -2), self.p)
        return d1, d2


def _composed(x1, x2, p):
    return FUNCTIONS["norm"](x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


@function
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The distance of every row of x1 to every row of x2.

    Args:
        x1: [..., P, M]; x2: [..., R, M]; the leading dims broadcast.
        p: of the norm, 0 to infinity.
        compute_mode: accepted for compatibility: distances are always taken from differences,
            which keeps small ones exact.

    Returns:
        [..., P, R].
    """
    if p < 0:
        raise RuntimeError(f"cdist(): only supports non-negative p values, got {p}")
    y = _C.cdist(x1, x2, p)
    if y.requires_grad:
        record(Cdist, y, (x1, x2), (x1, x2, y)).p = p
    return y


@function
def pdist(input, p=2.0):
    """The distances of all pairs of rows i < j.

    Args:
        input: [N, M].
        p: of the norm, 0 to infinity.

    Returns:
        [N (N - 1) / 2], ordered by i, then j.
    """
    if input.dim() != 2:
        raise RuntimeError(f"pdist(): only supports 2D tensors, got shape {tuple(input.shape)}")
    if p < 0:
        raise RuntimeError(f"pdist(): only supports non-negative p values, got {p}")
    n = input.shape[0]
    i = _C.arange(0, n, 1, _C.int64, input.device)
    pairs = (i.reshape(n, 1) < i).reshape(-1).nonzero().reshape(-1)
    return cdist(input, input, p).reshape(-1).index_select(0, pairs)


functional(pdist)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along dim.

    Args:
        x1, x2: tensors that broadcast.
        dim: the dim of the vectors.
        eps: the smallest norm.
    """
    if not (x1.is_floating_point() and x2.is_floating_point()):
        raise RuntimeError("cosine_similarity(): expected common dtype to be floating point")
    dot = (x1 * x2).sum(dim)
    # Norms of the operands as they are broadcast, so that a size of 1 along dim counts fully.
    if x1.shape != x2.shape:
        shape = FUNCTIONS["broadcast_shapes"](x1.shape, x2.shape)
        x1, x2 = x1.expand(shape), x2.expand(shape)
    return dot / (_norm(x1, dim).clamp(min=eps) * _norm(x2, dim).clamp(min=eps))


function(functional(cosine_similarity))


def _norm(x, dim):
    return FUNCTIONS["norm"](x, 2, dim)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """|x1 - x2 + eps|_p over the last dim.

    Args:
        x1, x2: [..., M]; they broadcast.
        p: of the norm.
        eps: added to the differences, so that the gradient at 0 exists.
        keepdim: keep the last dim with size 1.
    """
    return FUNCTIONS["norm"](x1 - x2 + eps, p, -1, keepdim)


function(functional(pairwise_distance))


@functional
def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """input / max(|input|_p, eps) along dim.

    Args:
        p: of the norm.
        dim: an int, or a tuple of ints.
        eps: the smallest divisor.
    """
    y = input / FUNCTIONS["norm"](input, p, dim, True).clamp(min=eps)
    if out is None:
        return y
    from ._register import write_out

    return write_out(out, y, "normalize")


@functional
def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """input / (k + alpha * mean of input^2 over `size` neighbouring channels) ** beta.

    Args:
        input: [N, C, *].
        size: channels of the window.
    """
    if input.dim() < 3:
        raise ValueError(
            f"local_response_norm(): Expected 3D or higher dimensionality input (got {input.dim()} dimensions)"
        )
    if input.numel() == 0:
        return input
    channels = input.shape[1]
    square = input * input
    side = [input.shape[0], size // 2, *input.shape[2:]]
    left = square.new_zeros(side)
    side[1] = (size - 1) // 2
    padded = FUNCTIONS["cat"]([left, square, square.new_zeros(side)], 1)
    total = padded.narrow(1, 0, channels)
    for i in range(1, size):
        total = total + padded.narrow(1, i, channels)
    return input / (total * (alpha / size) + k) ** beta
