"""The same function on the CPU and on a GPU, real or emulated."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch

minitorch.backends.cudnn.allow_tf32 = False  # float32 is compared as float32
needs_gpu = pytest.mark.skipif(not minitorch.cuda.is_available(), reason="no GPU, real or emulated")
# Relative and absolute tolerance between CPU and GPU, which add up in another order.
TOLERANCES = {
    "float64": (1e-10, 1e-10),
    "float32": (2e-5, 2e-5),
    "float16": (3e-3, 3e-3),
    "bfloat16": (2e-2, 2e-2),
}


def numbers(t):
    """A tensor as NumPy, floats as float64."""
    t = t.detach().cpu()
    return t.double().numpy() if t.dtype.is_floating_point else t.numpy()


def flat(out):
    """The tensors of a result."""
    return [t for o in out for t in flat(o)] if isinstance(out, (tuple, list)) else [out]


def random(*shape, dtype="float32", seed=0, low=-2.0, high=2.0):
    """A tensor of uniform values on the CPU."""
    x = np.random.default_rng(seed).uniform(low, high, shape)
    return minitorch.tensor(x).to(getattr(minitorch, dtype))


def compare(f, *tensors, tolerance=None, grad=False):
    """f on the CPU and twice on the GPU: close to each other, and the same bits both times.

    With `grad`, the gradients of the floating tensors by a weighted sum of the results, too.
    """

    def run(device):
        xs = [t.detach().to(device) for t in tensors]
        xs = [x.requires_grad_() if grad and x.dtype.is_floating_point else x for x in xs]
        out = flat(f(*xs))
        if not grad:
            return out
        total = 0
        for t in out:
            if t.requires_grad:
                weights = random(*t.shape, dtype=str(t.dtype).split(".")[-1], seed=t.numel())
                total = total + (t * weights.to(device)).sum()
        total.backward()
        return out + [x.grad for x in xs if x.requires_grad]

    want, got, again = run("cpu"), run("cuda"), run("cuda")
    assert len(want) == len(got)
    for a, b, c in zip(want, got, again):
        assert b.is_cuda
        assert a.dtype is b.dtype
        assert tuple(a.shape) == tuple(b.shape)
        np.testing.assert_array_equal(numbers(b), numbers(c), err_msg="two runs differ")
        rtol, atol = tolerance or TOLERANCES.get(str(a.dtype).split(".")[-1], (0, 0))
        np.testing.assert_allclose(numbers(b), numbers(a), rtol=rtol, atol=atol)
