"""unique, bincount, histc, searchsorted and repeat_interleave on a GPU, the same as on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch

from .cuda_helpers import compare, needs_gpu

pytestmark = needs_gpu
DTYPES = ["float32", "float16", "int64", "uint8", "bool"]


def integers(shape, high, dtype="int64", seed=0):
    x = np.random.default_rng(seed).integers(0, high, shape)
    return minitorch.tensor(x).to(getattr(minitorch, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1,), (50,), (7, 90), (3, 4000)])
def test_unique(dtype, shape):
    x = integers(shape, 2 if dtype == "bool" else 9, dtype)
    every = {"return_inverse": True, "return_counts": True}
    compare(lambda x: x.unique(**every), x)
    compare(lambda x: x.unique_consecutive(**every), x)


def test_unique_of_distinct_elements_and_none():
    compare(lambda x: x.unique(return_counts=True), minitorch.randperm(5000))
    compare(lambda x: x.unique(return_inverse=True), minitorch.empty(0))
    nan = float("nan")
    compare(lambda x: x.unique(return_counts=True), minitorch.tensor([nan, 1.0, nan, -0.0, 0.0]))


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64", "bool"])
def test_unique_slices(dim, dtype):
    x = integers((37, 3, 2), 2, dtype)
    every = {"return_inverse": True, "return_counts": True, "dim": dim}
    compare(lambda x: x.unique(**every), x)
    compare(lambda x: x.unique_consecutive(**every), x)


def test_unique_of_many_slices():
    compare(lambda x: x.unique(dim=0, return_inverse=True), integers((3000, 2), 40, "int32"))


@pytest.mark.parametrize("bins", [3, 900, 5000])
def test_bincount(bins):
    x = integers((9000,), bins)
    compare(minitorch.bincount, x)
    compare(lambda x: x.bincount(minlength=bins + 5), x.int())
    compare(minitorch.bincount, x, minitorch.rand(9000), tolerance=(1e-6, 1e-6))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_histc(dtype):
    x = minitorch.rand(5000).to(getattr(minitorch, dtype))
    compare(lambda x: x.histc(20), x)
    compare(lambda x: x.histc(4500, 0.25, 0.5), x)
    compare(lambda x: x.histc(3), minitorch.full((7,), 2.0))


def test_errors():
    x = minitorch.tensor([1.0, float("nan")]).cuda()
    with pytest.raises(RuntimeError, match="not finite"):
        x.histc()
    with pytest.raises(RuntimeError, match="non-negative"):
        minitorch.tensor([3, -1]).cuda().bincount()
    with pytest.raises(RuntimeError, match="sorter index"):
        minitorch.searchsorted(x, x, sorter=minitorch.tensor([0, 5]).cuda())
    with pytest.raises(RuntimeError, match="negative"):
        x.repeat_interleave(minitorch.tensor([1, -1]).cuda(), 0)


def test_searchsorted_with_a_sorter():
    edges = minitorch.rand(300)
    compare(
        lambda e, x: minitorch.searchsorted(e, x, sorter=e.argsort()), edges, minitorch.rand(90)
    )


def test_repeat_interleave():
    x, times = minitorch.rand(1100, 3), integers((1100,), 5)
    compare(lambda x, t: x.repeat_interleave(t, 0), x, times)
    total = int(times.sum())
    compare(lambda x, t: x.repeat_interleave(t, 0, output_size=total), x, times.int())
    compare(minitorch.repeat_interleave, times)
    compare(minitorch.repeat_interleave, times[:0])


def test_embedding_bag():
    weight, index = minitorch.rand(30, 5), integers((64,), 30)
    offsets = minitorch.tensor([0, 7, 7, 40])
    bag = minitorch.nn.functional.embedding_bag
    for mode in ("sum", "mean", "max"):
        compare(lambda i, w, o, m=mode: bag(i, w, o, mode=m), index, weight, offsets)
    ends = minitorch.tensor([0, 9, 64])
    compare(lambda i, w, o: bag(i, w, o, include_last_offset=True), index, weight, ends)
    with pytest.raises(ValueError, match="do not cut"):
        bag(index.cuda(), weight.cuda(), (offsets + 1).cuda())
