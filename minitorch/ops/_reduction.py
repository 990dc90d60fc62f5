"""The argument `reduction` of losses, and the two older arguments that it replaced."""

from __future__ import annotations

NONE, MEAN, SUM = 0, 1, 2
_CODES = {"none": NONE, "mean": MEAN, "sum": SUM, 0: NONE, 1: MEAN, 2: SUM}


def reduction_code(reduction, size_average=None, reduce=None):
    """0 for "none", 1 for "mean", 2 for "sum".

    Raises:
        ValueError: another word.
    """
    if size_average is not None or reduce is not None:
        return legacy_code(size_average, reduce)
    code = _CODES.get(reduction)
    if code is None:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return code


def legacy_code(size_average, reduce):
    """The code for size_average= and reduce=, which default to True."""
    import warnings

    name = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{name}' instead.",
        stacklevel=4,
    )
    return _CODES[name]


def reduced(loss, code):
    """The unreduced loss summed or averaged."""
    return loss if code == NONE else loss.mean() if code == MEAN else loss.sum()
