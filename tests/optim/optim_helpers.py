"""The same small problem for minitorch and for PyTorch, step by step."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch

torch = pytest.importorskip("torch")

SHAPES = [(3, 4), (5,), (), (2, 3, 2)]


def make(lib, dtype="float32", seed=0):
    """Parameters of a few shapes, with fixed values."""
    rng = np.random.default_rng(seed)
    return [
        lib.nn.Parameter(lib.from_numpy(np.array(rng.standard_normal(s), dtype=dtype)))
        for s in SHAPES
    ]


def set_grads(lib, params, step, skip=()):
    """Gradients that depend on the parameters and on the step."""
    rng = np.random.default_rng(100 + step)
    for i, p in enumerate(params):
        noise = rng.standard_normal(tuple(p.shape))
        if i in skip:
            p.grad = None
            continue
        value = p.detach().numpy() * 0.5 + noise
        p.grad = lib.from_numpy(np.array(value, dtype=str(p.dtype).split(".")[-1]))


def run(lib, name, kwargs, steps=10, dtype="float32", fused=True, skip=()):
    """Parameters and optimizer after some steps."""
    params = make(lib, dtype)
    optimizer = getattr(lib.optim, name)(params, **kwargs)
    if lib is minitorch:
        optimizer._fused = fused
    for step in range(steps):
        set_grads(lib, params, step, skip if step < 3 else ())
        optimizer.step()
    return params, optimizer


def close(mine, theirs, tol=1e-5):
    """Assert that two tensors agree in shape, dtype and values."""
    assert tuple(mine.shape) == tuple(theirs.shape)
    assert str(mine.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1]
    np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=tol, atol=tol)


def compare_state(mine, theirs, tol=1e-5):
    """Assert equal state dicts."""
    a, b = mine.state_dict(), theirs.state_dict()
    assert a["param_groups"] == b["param_groups"]
    assert a["state"].keys() == b["state"].keys()
    for key, state in b["state"].items():
        assert list(a["state"][key]) == list(state)
        for name, value in state.items():
            if isinstance(value, torch.Tensor):
                close(a["state"][key][name], value, tol)
