"""Reads and writes by index on a GPU: rows of every alignment, the same as on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch

from .cuda_helpers import compare, needs_gpu, random

pytestmark = needs_gpu


def indices(shape, high, seed=0):
    return minitorch.tensor(np.random.default_rng(seed).integers(0, high, shape))


# Rows of 16, 8 and 4 bytes' multiples, and of odd ones.
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "uint8", "float64"])
@pytest.mark.parametrize("width", [1, 3, 6, 8, 64])
def test_rows(dtype, width):
    table = random(20, width + 3, dtype="float32", low=0, high=100).to(getattr(minitorch, dtype))
    k = indices((33,), 20)
    rows = random(33, width, low=0, high=100).to(getattr(minitorch, dtype))
    for x in (table[:, :width].contiguous(), table[:, 3:], table[:, :width]):
        compare(lambda x, k: x.index_select(0, k), x, k)
        compare(lambda x, k: x[k], x, k)
        compare(lambda x, k, r: x.clone().index_copy_(0, k, r), x, k, rows)
        compare(lambda x, k, r: x.clone().index_put_((k,), r), x, k, rows)
        compare(lambda x, k: x.clone().index_fill_(0, k, 7), x, k)


@pytest.mark.parametrize("n", [1, 5, 40])
def test_few_writes_to_a_large_tensor(n):
    """The last of equal indices wins; in rows of several dims, too."""
    x, k, rows = random(900, 8), indices((n,), 4), random(n, 8, seed=1)
    compare(lambda x, k, r: x.clone().index_copy_(0, k, r), x, k, rows)
    compare(lambda x, k, r: x.clone().index_put_((k,), r[:, 0:1]), x, k, rows)
    x, rows = random(2, 3, 700, 5), random(2, 3, n, 5)
    compare(lambda x, k, r: x.clone().index_copy_(2, k, r), x, k, rows)
    x = random(5, 3000)
    compare(lambda x, k, v: x.clone().scatter_(1, k, v), x, indices((5, n), 3), random(5, n))
    compare(lambda x, k: x.clone().index_put_((k, k + 1), k.float()), x, k)


def test_planes_and_several_dims():
    x, k = random(5, 6, 8), indices((3, 4), 5)
    compare(lambda x, k: x[:, k], x, k)
    compare(lambda x, k: x[k, k], x, k)
    compare(lambda x, k: x[k], x.transpose(0, 1), k)
    compare(lambda x, k: x.gather(0, k.reshape(3, 4, 1).expand(3, 4, 8)), x, k)


@pytest.mark.parametrize("p", [0, 1, 1.5, 2, float("inf")])
def test_cdist_backward_with_shares(p):
    a, b = random(2, 9, 3), random(2, 150, 3, seed=1)
    compare(lambda a, b: minitorch.cdist(a, b, p), a, b, grad=True, tolerance=(1e-4, 1e-3))
