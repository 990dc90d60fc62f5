"""Comparison of layers with PyTorch's: same parameters, same inputs, same results."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch

torch = pytest.importorskip("torch")


def to_torch(t):
    """A PyTorch tensor of the same values."""
    return torch.from_numpy(np.array(t.detach().numpy()))


def to_mini(t):
    """A minitorch tensor of the same values."""
    return minitorch.from_numpy(np.array(t.detach().numpy()))


def load_from_torch(mine, theirs):
    """Give `mine` the parameters and buffers of `theirs`."""
    mine.load_state_dict({k: to_mini(v) for k, v in theirs.state_dict().items()})


def flatten(value):
    """The tensors in nested tuples, in order."""
    if value is None:
        return []
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in flatten(v)]
    return [value]


def close(mine, theirs, tol=2e-5):
    """Assert that two tensors agree in shape, dtype and values."""
    assert tuple(mine.shape) == tuple(theirs.shape)
    assert str(mine.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1]
    np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=tol, atol=tol)


def compare_layers(mine, theirs, *inputs, tol=2e-5, call=None, **kwargs):
    """Assert equal reprs, outputs and gradients of parameters and inputs.

    Args:
        mine: The layer under test.
        theirs: PyTorch's layer, whose parameters `mine` takes.
        *inputs: NumPy arrays; floating ones get gradients.
        tol: Relative and absolute tolerance.
        call: (module, *tensors) to output, instead of calling the module.
        **kwargs: NumPy arrays or plain values passed by keyword.
    """
    assert repr(mine) == repr(theirs)
    load_from_torch(mine, theirs)
    assert list(mine.state_dict()) == list(theirs.state_dict())

    def tensors(make):
        out = []
        for x in inputs:
            t = make(np.array(x)) if isinstance(x, np.ndarray) else x
            if isinstance(x, np.ndarray) and x.dtype.kind == "f":
                t.requires_grad_(True)
            out.append(t)
        named = {
            k: make(np.array(v)) if isinstance(v, np.ndarray) else v for k, v in kwargs.items()
        }
        return out, named

    mx, mk = tensors(minitorch.from_numpy)
    tx, tk = tensors(torch.from_numpy)
    call = call or (lambda module, *a, **k: module(*a, **k))
    my, ty = flatten(call(mine, *mx, **mk)), flatten(call(theirs, *tx, **tk))
    assert len(my) == len(ty)
    for a, b in zip(my, ty, strict=True):
        close(a, b, tol)
    if not any(b.requires_grad for b in ty):
        return
    # Weights that differ per element, so that errors can't cancel in the sum.
    loss_m = sum((a * a.cos()).sum() for a in my if a.is_floating_point())
    loss_t = sum((b * b.cos()).sum() for b in ty if b.is_floating_point())
    loss_m.backward()
    loss_t.backward()
    for a, b in zip(mx, tx, strict=True):
        if getattr(b, "grad", None) is not None:
            close(a.grad, b.grad, 10 * tol)
    theirs_by_name = dict(theirs.named_parameters())
    for name, p in mine.named_parameters():
        q = theirs_by_name[name]
        assert (p.grad is None) == (q.grad is None), name
        if q.grad is not None:
            close(p.grad, q.grad, 10 * tol)
    for (name, a), (other, b) in zip(mine.named_buffers(), theirs.named_buffers(), strict=True):
        assert name == other
        close(a, b, tol)
