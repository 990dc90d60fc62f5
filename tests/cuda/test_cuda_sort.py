"""Sorting and selection on a GPU: rows of every way that the kernels have, the same as on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch

from .cuda_helpers import needs_gpu, numbers

pytestmark = needs_gpu
SHAPES = [(5, 7), (300, 3), (3, 130), (2, 1500), (2, 3000), (1, 4100), (2, 9001)]


def values(shape, dtype, seed=0):
    """Many equal elements; of floats, NaN, infinities and both zeros, too."""
    rng = np.random.default_rng(seed)
    if dtype in ("uint8", "int8", "int16", "int32", "int64"):
        low, high = {"uint8": (0, 255), "int8": (-128, 127)}.get(dtype, (-300, 300))
        x = rng.integers(low, high + 1, shape)
        if dtype == "int64":
            x = x * 10**14
        return minitorch.tensor(x).to(getattr(minitorch, dtype))
    x = rng.normal(size=shape)
    x = np.where(rng.random(shape) < 0.3, np.round(x), x)
    x = np.where(rng.random(shape) < 0.02, np.nan, x)
    x = np.where(rng.random(shape) < 0.02, rng.choice([np.inf, -np.inf], shape), x)
    x = np.where(rng.random(shape) < 0.1, rng.choice([0.0, -0.0], shape), x)
    return minitorch.tensor(x).to(getattr(minitorch, dtype))


def same(f, x):
    for want, got in zip(f(x), f(x.cuda())):
        assert got.is_cuda and got.dtype is want.dtype
        a, b = numbers(want), numbers(got)
        np.testing.assert_array_equal(b, a)
        if a.dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(b), np.signbit(a))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("descending", [False, True])
def test_sort(shape, descending):
    for dtype in ("float32", "int64"):
        same(lambda x: x.sort(-1, descending), values(shape, dtype))


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int16", "int32", "float16", "bfloat16", "float64"]
)
def test_sort_dtypes(dtype):
    for shape in [(2, 40), (1, 2100), (2, 4200)]:
        same(lambda x: x.sort(-1, True), values(shape, dtype))
    same(lambda x: (x.argsort(0),), values((3000, 2), dtype))


def test_digits_that_all_elements_share():
    """Their passes are left out: none, the first, some in between, for one row and for all."""
    x = values((2, 9000), "int64")
    shared = x * 0
    for factor in (0, 1, 2**20, 2**40, 2**56):
        part = (x % 7) * factor
        same(lambda x: x.sort(), shared + part)
        same(lambda x: x.sort(), (shared + part)[:, :1500] - 3)
        same(lambda x: x.sort(), minitorch.cat([shared[:1], part[:1]]) + 5)
        shared = shared + part


def test_sort_bits():
    """NaN keep their payloads and zeros their signs."""
    words = np.array([0x7FC00001, 0xFFC00002, 0x80000000, 0, 0x3F800000] * 900, dtype=np.uint32)
    x = minitorch.tensor(words.view(np.float32))
    y = x.cuda().sort()[0].cpu().numpy().view(np.uint32)
    np.testing.assert_array_equal(y, x.sort()[0].numpy().view(np.uint32))


@pytest.mark.parametrize("shape", [(3, 40), (2, 1500), (1, 20000)])
@pytest.mark.parametrize("largest", [False, True])
def test_topk(shape, largest):
    for dtype in ("float32", "int64"):
        x = values(shape, dtype)
        for k in (1, 5, shape[1] // 3, shape[1]):
            order = x.argsort(-1, descending=largest, stable=True)
            want = order[:, :k]
            got = minitorch.topk(x.cuda(), k, -1, largest)
            np.testing.assert_array_equal(numbers(got.indices), numbers(want))
            np.testing.assert_array_equal(numbers(got.values), numbers(x.gather(-1, want)))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "float16", "bfloat16", "float64"])
def test_topk_dtypes(dtype):
    same(lambda x: minitorch.topk(x, 9, 0), values((1200, 2), dtype))
    same(lambda x: minitorch.topk(x, 300), values((17000,), dtype))


def test_topk_of_equal_elements():
    x = minitorch.zeros(20000)
    x[17000] = 1
    same(lambda x: minitorch.topk(x, 40), x)
    same(lambda x: minitorch.kthvalue(x, 19999), x)


@pytest.mark.parametrize("shape", [(4, 60), (3, 1500), (1, 17000)])
def test_select(shape):
    for dtype in ("float32", "int32", "bfloat16"):
        x = values(shape, dtype)
        for k in (1, shape[1] // 2, shape[1]):
            same(lambda x, k=k: x.kthvalue(k), x)
        same(lambda x: x.median(-1), x)
        same(lambda x: x.nanmedian(-1), x)
    x = values(shape, "float64")
    x = minitorch.where(x.isnan(), minitorch.ones_like(x), x)
    same(lambda x: x.median(-1), x)
    same(lambda x: (x * float("nan")).nanmedian(-1), x)


def test_gradients():
    x = values((2, 3000), "int32").float()
    for f in (lambda x: x.topk(20)[0], lambda x: x.kthvalue(7)[0], lambda x: x.sort()[0]):
        grads = []
        for device in ("cpu", "cuda"):
            y = x.detach().to(device).requires_grad_()
            out = f(y)
            (out * minitorch.arange(out.numel(), device=device).reshape(out.shape)).sum().backward()
            grads.append(numbers(y.grad))
        np.testing.assert_array_equal(*grads)


@pytest.mark.parametrize("shape", [(4, 60), (3, 1500), (700, 3), (1, 5000)])
def test_mode(shape):
    for dtype in ("float32", "int64", "bfloat16", "uint8"):
        same(lambda x: x.mode(-1), values(shape, dtype))
    same(lambda x: x.mode(0), values(shape, "float32"))
