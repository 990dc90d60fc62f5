"""Losses with margins, of labels, pairs and triplets: composed of recorded ops."""

from __future__ import annotations

from ._reduction import reduced, reduction_code
from ._register import FUNCTIONS, function, functional
from .distance import pairwise_distance


def _where(condition, x, y):
    return FUNCTIONS["where"](condition, x, y)


def hinge_embedding_loss(
    input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"
):
    """input where target is 1, max(0, margin - input) where it is -1.

    Args:
        input: distances.
        target: 1 or -1, of input's shape.
    """
    code = reduction_code(reduction, size_average, reduce)
    far = _where(target != 1, (margin - input).clamp(min=0), 0.0)
    return reduced(far + _where(target != -1, input, 0.0), code)


function(functional(hinge_embedding_loss))


def margin_ranking_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """max(0, -target (input1 - input2) + margin).

    Args:
        target: 1 where input1 should be the larger, else -1.
    """
    code = reduction_code(reduction, size_average, reduce)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {tuple(input1.shape)}, input2: {tuple(input2.shape)}, target: {tuple(target.shape)} "
        )
    return reduced((-target * (input1 - input2) + margin).clamp(min=0), code)


function(functional(margin_ranking_loss))


@functional
def multi_margin_loss(
    input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """sum over the other classes i of max(0, margin - x_y + x_i)^p / C.

    Args:
        input: scores, [N, C] or [C].
        target: classes, [N] or a scalar.
        p: 1 or 2.
        weight: [C], scale of the loss of each class.
    """
    code = reduction_code(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    if input.dim() > 2 or (input.dim() and input.shape[-1] == 0):
        raise RuntimeError(
            "multi_margin_loss(): Expected non-empty vector or matrix with optional 0-dim batch size, "
            f"but got: {tuple(input.shape)}"
        )
    rows = input if input.dim() == 2 else input.reshape(1, -1)
    n, classes = rows.shape
    if target.numel() != n or target.dim() > 1:
        raise RuntimeError(
            f"multi_margin_loss(): inconsistent target size, expected {n} but got {tuple(target.shape)}"
        )
    if weight is not None and weight.numel() != classes:
        raise RuntimeError(
            f"multi_margin_loss(): inconsistent weight size, expected {classes} but got {tuple(weight.shape)}"
        )
    labels = target.reshape(n, 1)
    _check_labels("multi_margin_loss", labels, classes)
    own = rows.gather(1, labels)
    excess = (margin - own + rows).clamp(min=0)
    if p == 2:
        excess = excess * excess
    if weight is not None:
        excess = excess * weight.index_select(0, labels.reshape(-1)).unsqueeze(1)
    others = FUNCTIONS["arange"](classes, device=rows.device) != labels
    loss = _where(others, excess, 0.0).sum(1) / classes
    return reduced(loss.squeeze(0) if input.dim() < 2 and target.dim() == 0 else loss, code)


def _check_labels(name, labels, classes):
    if labels.numel() and bool(((labels < 0) | (labels >= classes)).any()):
        bad = labels[(labels < 0) | (labels >= classes)][0].item()
        raise IndexError(f"{name}(): Target {bad} is out of bounds: classes are 0 to {classes - 1}")


@functional
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """sum over targets y and other classes i of max(0, 1 - (x_y - x_i)) / C.

    Args:
        input: scores, [N, C] or [C].
        target: of input's shape; a row's classes end before its first -1.
    """
    code = reduction_code(reduction, size_average, reduce)
    if input.dim() not in (0, 1, 2) or (input.dim() and input.shape[-1] == 0):
        raise RuntimeError(
            "multilabel_margin_loss(): Expected non-empty vector or matrix with optional 0-dim batch "
            f"size, but got: {tuple(input.shape)}"
        )
    if input.shape != target.shape:
        raise RuntimeError(
            f"multilabel_margin_loss(): inconsistent target size: {tuple(target.shape)} for input of size: "
            f"{tuple(input.shape)}"
        )
    x = input.reshape(-1, input.shape[-1] if input.dim() else 1)
    t = target.reshape(x.shape)
    classes = x.shape[1]
    valid = (t < 0).long().cumsum(1) == 0
    labels = _where(valid, t, 0)
    _check_labels("multilabel_margin_loss", labels, classes)
    own = x.gather(1, labels)
    counts = FUNCTIONS["zeros_like"](t).scatter_add(1, labels, valid.long())
    pairs = valid.unsqueeze(2) & (counts == 0).unsqueeze(1)
    excess = (1 - (own.unsqueeze(2) - x.unsqueeze(1))).clamp(min=0)
    loss = _where(pairs, excess, 0.0).sum((1, 2)) / classes
    return reduced(loss if input.dim() == 2 else loss.squeeze(0), code)


@functional
def multilabel_soft_margin_loss(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """-mean over classes of t log sigmoid(x) + (1 - t) log sigmoid(-x).

    Args:
        input: scores, [N, C] or [C].
        target: 0 or 1, of input's shape.
        weight: [C].
    """
    from .loss import binary_cross_entropy_with_logits

    code = reduction_code(reduction, size_average, reduce)
    # A negative target is as good as any number here; only its weight in the sum counts.
    loss = binary_cross_entropy_with_logits(input, target, reduction="none")
    loss = loss if weight is None else loss * weight
    return reduced(loss.sum(-1) / input.shape[-1], code)


def cosine_embedding_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1.

    Args:
        input1, input2: [N, D] or [D].
        target: [N] or a scalar.
    """
    code = reduction_code(reduction, size_average, reduce)
    if target.dim() not in (0, 1):
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.dim() != target.dim() + 1 or input2.dim() != target.dim() + 1:
        raise RuntimeError(
            f"{target.dim()}D target tensor expects {target.dim() + 1}D input tensors, but found inputs with "
            f"sizes {tuple(input1.shape)} and {tuple(input2.shape)}."
        )
    tiny = 1e-12
    dim = target.dim()
    dot = (input1 * input2).sum(dim)
    size = ((input1 * input1).sum(dim) + tiny) * ((input2 * input2).sum(dim) + tiny)
    cosine = dot / size.sqrt()
    same = _where(target == 1, 1 - cosine, 0.0)
    return reduced(same + _where(target == -1, (cosine - margin).clamp(min=0), 0.0), code)


function(functional(cosine_embedding_loss))


def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, size_average=None, reduce=None,
    reduction="mean",
):  # fmt: skip
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d the p-norm of differences.

    Args:
        anchor, positive, negative: [N, D] or [D].
        eps: added to the differences.
        swap: use the negative's distance to the positive where that is smaller.
    """
    code = reduction_code(reduction, size_average, reduce)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            f"but got: anchor {anchor.dim()}D, positive {positive.dim()}D, and negative {negative.dim()}D inputs"
        )
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = FUNCTIONS["minimum"](far, pairwise_distance(positive, negative, p, eps))
    return reduced((margin + near - far).clamp(min=0), code)


function(functional(triplet_margin_loss))


@functional
def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """triplet_margin_loss with any distance.

    Args:
        distance_function: (x, y) -> distances; pairwise_distance where None.
    """
    code = reduction_code(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    distance = pairwise_distance if distance_function is None else distance_function
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            f"but got: anchor {anchor.dim()}D, positive {positive.dim()}D, and negative {negative.dim()}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = FUNCTIONS["minimum"](far, distance(positive, negative))
    return reduced((margin + near - far).clamp(min=0), code)
