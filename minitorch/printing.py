"""The text of a tensor, as PyTorch prints it."""

from __future__ import annotations

import math

_options = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}


def set_printoptions(
    precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None
):
    """Sets how tensors are printed.

    Args:
        precision: digits after the point.
        threshold: number of elements above which only the edges are shown.
        edgeitems: elements shown at each edge.
        linewidth: characters per line.
        profile: "default", "short" or "full".
        sci_mode: True or False forces scientific notation on or off.
    """
    if profile == "default":
        _options.update(precision=4, threshold=1000, edgeitems=3, linewidth=80)
    elif profile == "short":
        _options.update(precision=2, threshold=1000, edgeitems=2, linewidth=80)
    elif profile == "full":
        _options.update(precision=4, threshold=math.inf, edgeitems=3, linewidth=80)
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    _options.update({k: v for k, v in given.items() if v is not None})
    _options["sci_mode"] = sci_mode


def _shown(x):
    """The elements that will be printed, as nested lists; None marks a gap."""
    edge = _options["edgeitems"]
    summarize = x.numel() > _options["threshold"]

    def walk(t):
        if t.dim() == 0:
            return t.item()
        n = t.shape[0]
        if summarize and n > 2 * edge:
            places = [*range(edge), None, *range(n - edge, n)]
        else:
            places = range(n)
        if t.dim() == 1 and None not in places:
            return t.tolist()
        return [None if i is None else walk(t.select(0, i)) for i in places]

    return walk(x)


def _flat(nested, out):
    if isinstance(nested, list):
        for v in nested:
            _flat(v, out)
    elif nested is not None:
        out.append(nested)
    return out


def _formatter(x, values):
    """A function from number to text of equal width."""
    if not x.dtype.is_floating_point:
        texts = [str(v) for v in values]
        width = max(map(len, texts), default=0)
        return lambda v: str(v).rjust(width)
    precision = _options["precision"]
    finite = [abs(v) for v in values if math.isfinite(v) and v != 0]
    if not finite:
        show = lambda v: f"{v:.0f}." if math.isfinite(v) else str(v)  # noqa: E731
        width = max((len(show(v)) for v in values if math.isfinite(v)), default=0)
        return lambda v: show(v).rjust(width)
    low, high = min(finite), max(finite)
    whole = all(v == math.ceil(v) for v in finite)
    scientific = high / low > 1000.0 or high > 1.0e8 or (low < 1.0e-4 and not whole)
    if _options["sci_mode"] is not None:
        scientific = _options["sci_mode"]
    if scientific:
        text = lambda v: f"{v:.{precision}e}"  # noqa: E731
    elif whole:
        text = lambda v: f"{v:.0f}."  # noqa: E731
    else:
        text = lambda v: f"{v:.{precision}f}"  # noqa: E731
    show = lambda v: text(v) if math.isfinite(v) else str(v)  # noqa: E731
    # Non-finite values do not widen the column, as in PyTorch.
    width = max(len(text(v)) for v in values if math.isfinite(v) and v != 0)
    width = max([width, *(len(text(v)) for v in values if v == 0)])
    return lambda v: show(v).rjust(width)


def _layout(nested, dims, indent, form):
    if dims == 0:
        return form(nested)
    if dims == 1:
        width = max((len(form(v)) for v in nested if v is not None), default=1) + 2
        per_line = max(1, (_options["linewidth"] - indent) // width)
        texts = [" ..." if v is None else form(v) for v in nested]
        lines = [texts[i : i + per_line] for i in range(0, len(texts), per_line)] or [[]]
        return "[" + (",\n" + " " * (indent + 1)).join(", ".join(line) for line in lines) + "]"
    parts = ["..." if v is None else _layout(v, dims - 1, indent + 1, form) for v in nested]
    gap = "," + "\n" * (dims - 1) + " " * (indent + 1)
    return "[" + gap.join(parts) + "]"


def tensor_repr(x):
    """tensor(...) with values, dtype where it is not the default, and grad_fn."""
    from . import dtypes

    prefix = "Parameter containing:\n" if type(x).__name__ == "Parameter" else ""
    plain = x.detach()
    suffixes = []
    if x.numel() == 0:
        body = "[]"
        if x.dim() != 1:
            suffixes.append(f"size={tuple(x.shape)}")
        if x.dtype is not dtypes.get_default_dtype():
            suffixes.append(f"dtype={x.dtype}")
    else:
        shown = _shown(plain)
        body = _layout(shown, x.dim(), len("tensor("), _formatter(x, _flat(shown, [])))
        natural = (dtypes.get_default_dtype(), dtypes.int64, dtypes.bool)
        if x.dtype not in natural:
            suffixes.append(f"dtype={x.dtype}")
    if x.device.type != "cpu":
        suffixes.insert(0, f"device='{x.device}'")
    if x.grad_fn is not None:
        suffixes.append(f"grad_fn=<{x.grad_fn.name()}>")
    elif x.requires_grad:
        suffixes.append("requires_grad=True")
    return f"{prefix}tensor({', '.join([body, *suffixes])})"
