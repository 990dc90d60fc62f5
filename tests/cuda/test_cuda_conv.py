"""Convolutions and pooling on the GPU: shapes that take every path, the same bits in two runs."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import numbers

pytestmark = pytest.mark.skipif(
    not minitorch.cuda.is_available(), reason="no GPU, real or emulated"
)
F = minitorch.nn.functional


def uniform(*shape, seed=0):
    return minitorch.tensor(np.random.default_rng(seed).uniform(-1, 1, shape)).float()


def results(f, tensors):
    """f's result and the gradients for some weights of it."""
    tensors = [t.detach().requires_grad_() for t in tensors]
    y = f(*tensors)
    weights = minitorch.tensor(np.cos(np.arange(y.numel()))).float().reshape(y.shape).to(y.device)
    y.backward(weights)
    return [numbers(t) for t in (y, *(t.grad for t in tensors))]


def check(f, *tensors):
    want = results(f, tensors)
    got = results(f, [t.cuda() for t in tensors])
    again = results(f, [t.cuda() for t in tensors])
    for a, b, c in zip(got, want, again):
        assert np.array_equal(a, c)
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5 * max(1, np.abs(b).max(initial=0)))


# Input, weight, options.
CONVOLUTIONS = {
    "3x3": ((2, 5, 9, 11), (40, 5, 3, 3), {"padding": 1}),
    "many channels": ((1, 70, 6, 6), (66, 70, 3, 3), {"padding": 1}),
    "large tiles": ((2, 4, 68, 70), (68, 4, 1, 2), {}),
    "wide tiles": ((1, 2, 160, 160), (33, 2, 1, 2), {"padding": (0, 1)}),
    "strided": ((2, 3, 9, 10), (5, 3, 3, 3), {"stride": 2, "padding": 1}),
    "stride beyond the kernel": ((1, 2, 11, 10), (3, 2, 2, 2), {"stride": 3}),
    "patches": ((2, 3, 16, 16), (8, 3, 8, 8), {"stride": 8}),
    "dilated": ((1, 3, 12, 13), (4, 3, 3, 2), {"dilation": (2, 3), "padding": 2}),
    "dilated and strided": ((1, 3, 12, 13), (4, 3, 3, 3), {"dilation": 2, "stride": (4, 3)}),
    "one tap": ((2, 9, 12, 12), (7, 9, 1, 1), {}),
    "one tap, small image": ((3, 9, 5, 5), (7, 9, 1, 1), {}),
    "groups": ((2, 12, 7, 7), (8, 3, 3, 3), {"groups": 4, "padding": 1}),
    "depthwise": ((2, 6, 8, 9), (12, 1, 3, 3), {"groups": 6, "padding": 1, "stride": 2}),
    "1d": ((2, 6, 40), (5, 6, 4), {"stride": 2, "padding": 3}),
    "3d": ((1, 3, 5, 6, 7), (4, 3, 2, 3, 2), {"padding": 1}),
    "deep sum": ((4, 2, 20, 20), (3, 2, 3, 3), {}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name):
    x, w, options = CONVOLUTIONS[name]
    f = getattr(F, f"conv{len(x) - 2}d")
    check(lambda x, w, b: f(x, w, b, **options), uniform(*x), uniform(*w, seed=1),
          uniform(w[0], seed=2))  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"stride": 2, "output_padding": 1}, {"groups": 2},
                                     {"stride": 3, "padding": 2, "dilation": 2}])  # fmt: skip
def test_transposed(options):
    groups = options.get("groups", 1)
    check(lambda x, w, b: F.conv_transpose2d(x, w, b, **options), uniform(2, 6, 5, 7),
          uniform(6, 4 // groups, 3, 3, seed=1), uniform(4, seed=2))  # fmt: skip


POOLS = {
    "max": lambda x: F.max_pool2d(x, 2),
    "max overlapping": lambda x: F.max_pool2d(x, 3, 2, 1),
    "max dilated": lambda x: F.max_pool2d(x, 3, 2, 1, dilation=2, ceil_mode=True),
    "max places": lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True)[0],
    "max 17 x 17": lambda x: F.max_pool2d(x, 17, 3, 8),
    "average": lambda x: F.avg_pool2d(x, 2),
    "average overlapping": lambda x: F.avg_pool2d(x, (3, 4), 2, 1, ceil_mode=True),
    "average of what is inside": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "average by 5": lambda x: F.avg_pool2d(x, 3, 1, divisor_override=5),
    "adaptive average": lambda x: F.adaptive_avg_pool2d(x, (5, 7)),
    "whole planes": lambda x: F.adaptive_avg_pool2d(x, 1),
    "adaptive max": lambda x: F.adaptive_max_pool2d(x, (5, 7)),
    "adaptive max of many": lambda x: F.adaptive_max_pool2d(x, (15, 17)),
}


@pytest.mark.parametrize("name", POOLS)
def test_pool(name):
    check(POOLS[name], uniform(2, 3, 18, 19))


def test_max_pool_of_integers_and_nan():
    x = minitorch.tensor(np.random.default_rng(0).integers(-9, 9, (1, 2, 6, 6)))
    assert np.array_equal(numbers(F.max_pool2d(x.cuda(), 3, 1)), numbers(F.max_pool2d(x, 3, 1)))
    y = uniform(1, 2, 6, 6)
    y[0, 0, 2, 2] = float("nan")
    for place in (False, True):
        got, want = (F.max_pool2d(t, 2, return_indices=place) for t in (y.cuda(), y))
        for a, b in zip(got if place else [got], want if place else [want]):
            assert np.array_equal(numbers(a), numbers(b), equal_nan=a.dtype.is_floating_point)
