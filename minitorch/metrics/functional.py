"""Confusion matrices, and what follows from them: precision, recall and F1."""

from __future__ import annotations

import minitorch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_AVERAGES = ("micro", "macro", "weighted", "none", "binary")


def confusion_matrix(
    preds: minitorch.Tensor, target: minitorch.Tensor, num_classes: int | None = None
) -> minitorch.Tensor:
    """Counts of (target, prediction) pairs.

    Args:
        preds: class scores (N, C), class numbers (N,), or binary scores (N,).
        target: class numbers (N,).
        num_classes: size of the matrix; by default what the data needs.

    Returns:
        int64 tensor (num_classes, num_classes); row i, column j counts targets i predicted as j.
    """
    labels, target, classes = _labels(preds, target, num_classes)
    pairs = target * classes + labels
    counts = minitorch.zeros(classes * classes, dtype=minitorch.int64, device=pairs.device)
    return counts.index_add_(0, pairs, minitorch.ones_like(pairs)).reshape(classes, classes)


def precision(
    preds: minitorch.Tensor,
    target: minitorch.Tensor,
    average: str | None = "macro",
    num_classes: int | None = None,
    zero_division: float = 0.0,
) -> minitorch.Tensor:
    """Part of the predictions of a class that are right; arguments as for :func:`recall`."""
    return from_matrix(
        "precision", confusion_matrix(preds, target, num_classes), average, zero_division
    )


def recall(
    preds: minitorch.Tensor,
    target: minitorch.Tensor,
    average: str | None = "macro",
    num_classes: int | None = None,
    zero_division: float = 0.0,
) -> minitorch.Tensor:
    """Part of the targets of a class that are found.

    Args:
        preds: class scores (N, C), class numbers (N,), or binary scores (N,).
        target: class numbers (N,).
        average: "micro", "macro", "weighted", "none" or "binary".
        num_classes: number of classes; by default what the data needs.
        zero_division: the value of 0 / 0.

    Returns:
        A float64 tensor: 0-dim, or (num_classes,) for "none".
    """
    return from_matrix(
        "recall", confusion_matrix(preds, target, num_classes), average, zero_division
    )


def f1_score(
    preds: minitorch.Tensor,
    target: minitorch.Tensor,
    average: str | None = "macro",
    num_classes: int | None = None,
    zero_division: float = 0.0,
) -> minitorch.Tensor:
    """Harmonic mean of precision and recall; arguments as for :func:`recall`."""
    return from_matrix("f1", confusion_matrix(preds, target, num_classes), average, zero_division)


def _labels(
    preds: minitorch.Tensor, target: minitorch.Tensor, num_classes: int | None
) -> tuple[minitorch.Tensor, minitorch.Tensor, int]:
    """Flat class numbers of predictions and targets, and the number of classes."""
    preds, target = preds.detach(), target.detach()
    least = 1
    if preds.dim() == target.dim() + 1:
        least = preds.shape[1]
        preds = preds.argmax(1)
    elif preds.is_floating_point():
        outside = preds.numel() > 0 and (preds.min().item() < 0 or preds.max().item() > 1)
        preds, least = (preds > (0.0 if outside else 0.5)), 2
    if tuple(preds.shape) != tuple(target.shape):
        raise ValueError(
            f"metrics: predictions for {tuple(preds.shape)} do not fit targets {tuple(target.shape)}"
        )
    if target.is_floating_point():
        raise TypeError(f"metrics: targets must be class numbers, got {target.dtype}")
    preds = preds.reshape(-1).to(minitorch.int64)
    target = target.reshape(-1).to(preds.device, minitorch.int64)
    low, high = 0, least - 1
    if target.numel():
        low = min(preds.min().item(), target.min().item())
        high = max(preds.max().item(), target.max().item(), high)
    if low < 0 or (num_classes is not None and high >= num_classes):
        raise ValueError(
            f"metrics: class numbers from {low} to {high} do not fit num_classes={num_classes}"
        )
    return preds, target, num_classes if num_classes is not None else max(high + 1, 2)


def _ratio(a: minitorch.Tensor, b: minitorch.Tensor, zero_division: float) -> minitorch.Tensor:
    empty = b == 0
    safe = minitorch.where(empty, minitorch.ones_like(b), b)
    return minitorch.where(empty, minitorch.full_like(safe, zero_division), a / safe)


def from_matrix(
    kind: str, matrix: minitorch.Tensor, average: str | None, zero_division: float
) -> minitorch.Tensor:
    average = "none" if average is None else average
    if average not in _AVERAGES:
        raise ValueError(f"metrics: average must be one of {_AVERAGES}, got {average!r}")
    counts = matrix.to(minitorch.float64)
    hits, predicted, actual = minitorch.diagonal(counts), counts.sum(0), counts.sum(1)
    if average == "binary":
        if len(counts) != 2:
            raise ValueError(f"metrics: average='binary' needs 2 classes, got {len(counts)}")
        hits, predicted, actual = hits[1], predicted[1], actual[1]
    elif average == "micro":
        hits, predicted, actual = hits.sum(), predicted.sum(), actual.sum()
    if kind == "precision":
        values = _ratio(hits, predicted, zero_division)
    elif kind == "recall":
        values = _ratio(hits, actual, zero_division)
    else:
        values = _ratio(2 * hits, predicted + actual, zero_division)
    if average == "macro":
        present = (predicted + actual) > 0
        weights = present.to(minitorch.float64)
    elif average == "weighted":
        weights = actual
    else:
        return values
    return _ratio((values * weights).sum(), weights.sum(), zero_division)


def classification_report(matrix: minitorch.Tensor, names: Sequence[str] | None = None) -> str:
    """Table of precision, recall, F1 and number of targets per class, and their means.

    Args:
        matrix: confusion matrix (C, C), rows are targets.
        names: class names; numbers by default.
    """
    size = len(matrix)
    titles = list(names) if names is not None else [str(i) for i in range(size)]
    width = max(12, *(len(t) for t in titles))
    kinds = ("precision", "recall", "f1")
    columns = [from_matrix(k, matrix, "none", 0.0).tolist() for k in kinds]
    support = matrix.sum(1).tolist()
    head = f"{'':<{width}}  precision    recall        F1   support"
    rows = [
        f"{titles[i]:<{width}}  "
        + "  ".join(f"{c[i]:8.4f}" for c in columns)
        + f"  {support[i]:8d}"
        for i in range(size)
    ]
    for average in ("macro", "weighted"):
        values = [from_matrix(k, matrix, average, 0.0).item() for k in kinds]
        rows.append(
            f"{average + ' mean':<{width}}  "
            + "  ".join(f"{v:8.4f}" for v in values)
            + f"  {sum(support):8d}"
        )
    return "\n".join([head, *rows])
