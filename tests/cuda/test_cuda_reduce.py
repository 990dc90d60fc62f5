"""Reductions, extrema and scans on the GPU: shapes that take every path of the kernels."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.cuda.cuda_helpers import compare, needs_gpu, numbers, random

pytestmark = needs_gpu

# (shape, dim): rows short and long, columns few and many, inner and outer dims, everything.
LAYOUTS = [
    ((300,), None),
    ((40_000,), None),
    ((3, 5), 1),
    ((70, 33), 1),
    ((9, 700), 1),
    ((2, 5000), 1),
    ((700, 9), 0),
    ((5000, 3), 0),
    ((3, 300), 0),
    ((6, 40, 7), 1),
    ((6, 5, 50), (0, 2)),
    ((6, 5, 64), (0, 2)),
    ((2, 3, 40, 64), (0, 2, 3)),
    ((4, 3, 5, 7), (1, 3)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize(("shape", "dim"), LAYOUTS)
def test_sums(shape, dim, dtype):
    compare(lambda x: (x.sum(dim), x.mean(dim)), random(*shape, dtype=dtype))


@pytest.mark.parametrize(("shape", "dim"), LAYOUTS)
def test_other_sums(shape, dim):
    x = random(*shape, low=0.9, high=1.1)
    compare(lambda x: (x.var(dim), x.norm(dim=dim), x.norm(1, dim=dim), x.nansum(dim)), x)


@pytest.mark.parametrize(("shape", "dim"), LAYOUTS)
def test_logsumexp_of_infinities(shape, dim):
    x = random(*shape)
    x[0] = -float("inf")
    dim = tuple(range(len(shape))) if dim is None else dim
    compare(lambda x: minitorch.logsumexp(x, dim), x)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize(("shape", "dim"), LAYOUTS)
def test_integers(shape, dim, dtype):
    x = minitorch.tensor(np.random.default_rng(1).integers(0, 3, shape)).to(
        getattr(minitorch, dtype)
    )
    compare(lambda x: (x.sum(dim), x.any() if dim is None else x.any(dim), x.count_nonzero(dim)), x)
    compare(lambda x: (x.amax(dim or ()), x.all()), x)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64", "int64", "int8"])
@pytest.mark.parametrize(("shape", "dim"), [c for c in LAYOUTS if not isinstance(c[1], tuple)])
def test_extrema_and_their_places(shape, dim, dtype):
    # Few values, so that the first of equal ones matters.
    x = minitorch.tensor(np.random.default_rng(2).integers(-9, 9, shape)).to(
        getattr(minitorch, dtype)
    )
    compare(lambda x: (x.argmax(dim), x.argmin(dim), x.max(), x.min()), x)
    if dim is not None:
        compare(lambda x: (tuple(x.max(dim)), tuple(x.min(dim))), x)


def test_nan_is_the_extremum_and_the_first_one_is_found():
    x = random(4, 3000)
    x[1, 700] = x[1, 2500] = float("nan")
    compare(lambda x: (tuple(x.max(1)), tuple(x.min(1)), x.amax(0), x.argmax()), x)


def test_unaligned_rows():
    x = random(1, 6001)[0]
    compare(lambda x: (x[1:].sum(), x[3:5000].amax(), x[1:].argmin(), x[::2].sum()), x)


def test_a_long_sum_of_float32_is_accurate():
    x = np.random.default_rng(0).uniform(0.9, 1.1, 300_000).astype(np.float32)
    got = minitorch.tensor(x).cuda().sum().item()
    assert got == np.float32(x.astype(np.float64).sum())


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int64"])
@pytest.mark.parametrize(
    ("shape", "dim"),
    [((5,), 0), ((3, 33), 1), ((3, 1100), 1), ((2, 20_000), 1), ((40, 50), 0), ((300, 3), 0)],
)
def test_running_sums(shape, dim, dtype):
    x = random(*shape, low=-1, high=1)
    x = (x * 3).to(getattr(minitorch, dtype))
    tolerance = (3e-3, 3e-2) if dtype == "float16" else None
    compare(lambda x: x.cumsum(dim), x, tolerance=tolerance)
    compare(lambda x: (tuple(x.cummax(dim)), tuple(x.cummin(dim))), x)
    if dtype != "int64":
        compare(lambda x: minitorch.logcumsumexp(x, dim), x)


def test_running_extrema_with_nan_and_equal_values():
    x = minitorch.tensor(np.random.default_rng(3).integers(0, 4, (3, 3000)).astype(np.float32))
    x[1, 1500] = float("nan")
    compare(lambda x: (tuple(x.cummax(1)), tuple(x.cummin(1))), x)


def test_a_long_running_sum_backward():
    compare(lambda x: x.cumsum(0), random(9000, low=0, high=1), grad=True, tolerance=(1e-4, 1e-3))


def test_integer_sums_are_exact():
    x = minitorch.arange(100_000)
    assert x.cuda().sum().item() == 99_999 * 50_000
    np.testing.assert_array_equal(numbers(x.cuda().cumsum(0)), np.arange(100_000).cumsum())
