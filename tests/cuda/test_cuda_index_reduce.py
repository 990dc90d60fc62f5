"""Sums over equal indices on a GPU: runs of every length, the same as on the CPU, the same bits."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch

from .cuda_helpers import compare, needs_gpu, random

pytestmark = needs_gpu


def indices(shape, high, seed=0):
    return minitorch.tensor(np.random.default_rng(seed).integers(0, high, shape))


# One place; runs within a block of 64, over some, over so many that there are three levels.
@pytest.mark.parametrize(
    ("n", "places"), [(1, 1), (64, 3), (65, 1), (200, 3), (700, 300), (5000, 2)]
)
@pytest.mark.parametrize("width", [1, 3, 8])
def test_index_add(n, places, width):
    k, v = indices((n,), places), random(n, width)
    tolerance = (1e-4, 1e-4)
    compare(lambda x, k, v: x.index_add(0, k, v), random(places, width), k, v, tolerance=tolerance)
    compare(lambda x, k, v: x.index_put((k,), v, accumulate=True), random(places, width), k, v,
            tolerance=tolerance)  # fmt: skip


def test_runs_that_end_and_begin_at_blocks():
    """Sorted indices of every kind of run around the blocks of 64 entries, as exact integers."""
    lengths = [64, 64, 1, 63, 128, 60, 4, 1, 191, 65, 63, 2, 300, 4096, 70]
    k = minitorch.tensor(np.repeat(np.arange(len(lengths)), lengths))
    v = indices((k.numel(), 2), 1000, 1)
    want = np.stack([v.numpy()[k.numpy() == i].sum(0) for i in range(len(lengths))])
    x = minitorch.zeros(len(lengths), 2, dtype=minitorch.int64, device="cuda")
    np.testing.assert_array_equal(x.index_add(0, k.cuda(), v.cuda()).cpu().numpy(), want)
    shuffled = minitorch.tensor(np.random.default_rng(2).permutation(k.numel()))
    got = x.index_add(0, k[shuffled].cuda(), v[shuffled].cuda())
    np.testing.assert_array_equal(got.cpu().numpy(), want)


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("dtype", ["float32", "int64", "bfloat16"])
def test_scatter_reduce(reduce, dtype):
    if dtype == "int64":
        values = indices((300, 3), 3) - 1
    else:
        values = random(300, 3, dtype=dtype, low=-1.1, high=1.1)
    for include in (True, False):
        compare(
            lambda x, k, v, i=include: x.scatter_reduce(0, k, v, reduce, include_self=i),
            values[:5].clone(), indices((300, 3), 4), values,
            tolerance=(2e-2, 2e-2) if dtype == "bfloat16" else (1e-4, 1e-5),
        )  # fmt: skip


def test_nan_stays_in_extrema():
    v = random(500, 2)
    v[321, 1] = float("nan")
    k = indices((500,), 2)
    for how in ("amax", "amin"):
        compare(lambda x, k, v, h=how: x.index_reduce(0, k, v, h), random(2, 2), k, v)


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_along_dims(dim):
    shape = [5, 6, 7]
    k = indices((150,), shape[dim])
    shape[dim] = 150
    v, x = random(*shape), random(5, 6, 7)
    compare(lambda x, k, v: x.index_add(dim, k, v), x, k, v, tolerance=(1e-4, 1e-4))
    compare(lambda x, k: x.index_select(dim, k), x, k, grad=True, tolerance=(1e-4, 1e-4))
    compare(lambda x, k: x.gather(dim, k), x, indices((5, 6, 7), 5), grad=True)


def test_embedding_backward():
    k = minitorch.where(indices((40, 9), 2) == 0, indices((40, 9), 1), indices((40, 9), 30))
    f = minitorch.nn.functional.embedding
    for dtype in ("float32", "bfloat16"):
        w = random(30, 12, dtype=dtype)
        compare(lambda k, w: f(k, w, padding_idx=3), k, w, grad=True,
                tolerance=(2e-2, 2e-2) if dtype == "bfloat16" else (1e-4, 1e-4))  # fmt: skip


def test_several_indexed_dims():
    x, i, j = random(6, 5, 8), indices((400,), 6), indices((400,), 5, 1)
    compare(lambda x, i, j: x[i, j], x, i, j, grad=True, tolerance=(1e-4, 1e-4))
    compare(lambda x, i, j: x[:, j], x, i, j, grad=True, tolerance=(1e-4, 1e-4))
