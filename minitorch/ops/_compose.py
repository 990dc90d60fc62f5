"""Gradients of a fused op through its formula in ordinary ops: what fused backwards fall back to
under create_graph, and for arguments that are seldom differentiated."""

from __future__ import annotations

from .._load import _C
from ..autograd import engine


def gradients(f, inputs, needs, grads):
    """The gradients of f at inputs, differentiable again where the grad mode is on.

    Args:
        f: (*inputs) -> a tensor or a tuple of tensors, in recorded ops.
        inputs: tensors or None.
        needs: per input, whether its gradient is wanted.
        grads: the gradient of each output; None for outputs without one.

    Returns:
        A tuple with a gradient or None per input.
    """
    again = _C.is_grad_enabled()
    before = _C.set_grad_enabled(True)
    try:
        # Aliases, so that a tensor given twice gets a gradient for each place.
        xs = [
            x if x is None or not need else x.view_as(x) if again and x.requires_grad
            else x.detach().requires_grad_()
            for x, need in zip(inputs, needs)
        ]  # fmt: skip
        outs = f(*xs)
        outs = outs if isinstance(outs, tuple) else (outs,)
        pairs = [(o, g) for o, g in zip(outs, grads) if g is not None and o.requires_grad]
        wanted = [x for x, need in zip(xs, needs) if need]
        found = engine.grad(
            [o for o, _ in pairs],
            wanted,
            [g for _, g in pairs],
            create_graph=again,
            allow_unused=True,
        )
    finally:
        _C.set_grad_enabled(before)
    found = iter(found)
    return tuple(next(found) if need else None for need in needs)
