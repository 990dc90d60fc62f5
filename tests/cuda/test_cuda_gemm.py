"""Products on the GPU: shapes that take every tile, ragged edges, layouts, and k cut into parts."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import numbers

pytestmark = pytest.mark.skipif(
    not minitorch.cuda.is_available(), reason="no GPU, real or emulated"
)
F = minitorch.nn.functional
TOLERANCES = {"float64": 1e-12, "float32": 3e-5, "float16": 2e-2, "bfloat16": 1e-1}


def uniform(*shape, dtype="float32", seed=0):
    x = np.random.default_rng(seed).uniform(-1, 1, shape)
    return minitorch.tensor(x).to(getattr(minitorch, dtype))


def laid_out(x, layout):
    """x with the same values: rows, columns or neither contiguous."""
    if layout == "columns":
        return x.transpose(-2, -1).contiguous().transpose(-2, -1)
    if layout == "sliced":
        wide = minitorch.zeros(*x.shape[:-1], 2 * x.shape[-1] + 1, dtype=x.dtype, device=x.device)
        wide[..., 1::2] = x
        return wide[..., 1::2]
    return x


def check(f, *tensors):
    """f on the CPU and twice on the GPU: close to each other, the same bits both times."""
    on_gpu = [x.cuda() for x in tensors]
    first, second = f(*on_gpu), f(*on_gpu)
    assert first.is_cuda
    assert np.array_equal(numbers(first), numbers(second))
    tolerance = TOLERANCES[str(first.dtype).split(".")[-1]]
    np.testing.assert_allclose(numbers(first), numbers(f(*tensors)), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("layouts", [("rows", "rows"), ("rows", "columns"), ("columns", "rows"),
                                     ("columns", "columns"), ("sliced", "rows")])  # fmt: skip
@pytest.mark.parametrize(
    ("m", "k", "n"),
    [(128, 24, 132), (70, 37, 68), (65, 40, 66), (5, 300, 33), (1, 40, 8), (33, 4, 1)],
)
def test_layouts(m, k, n, layouts):
    a, b = uniform(m, k), uniform(k, n, seed=1)
    check(lambda a, b: laid_out(a, layouts[0]) @ laid_out(b, layouts[1]), a, b)


def test_large_tiles():
    a, b = uniform(97, 128, 20), uniform(20, 130, seed=1)
    check(lambda a, b: a[:, :100].transpose(0, 1) @ b, a, b)


@pytest.mark.parametrize("layouts", [("rows", "rows"), ("columns", "columns"), ("sliced", "rows")])
def test_wide_tiles(layouts):
    a, b = uniform(66, 36, 12), uniform(66, 12, 260, seed=1)
    check(lambda a, b: laid_out(a, layouts[0]) @ laid_out(b, layouts[1]), a, b)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("m", "k", "n"), [(40, 700, 36), (3, 1500, 5), (66, 600, 34)])
def test_parts_of_k(m, k, n, dtype):
    a, b = uniform(m, k, dtype=dtype), uniform(k, n, dtype=dtype, seed=1)
    check(lambda a, b: a @ b, a, b)


@pytest.mark.parametrize("layout", ["rows", "columns", "sliced"])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(("rows", "k"), [(70, 37), (9, 2100), (1, 1000), (300, 8)])
def test_vectors(rows, k, dtype, layout):
    m, x = uniform(2, rows, k, dtype=dtype), uniform(2, k, 1, dtype=dtype, seed=1)
    check(lambda m, x: laid_out(m, layout) @ x, m, x)
    check(lambda m, x: x.transpose(1, 2) @ laid_out(m, layout).transpose(1, 2), m, x)
    check(lambda m, x: laid_out(m[0], layout) @ x[0, :, 0], m, x)


def test_batches_and_broadcasts():
    a, b = uniform(2, 1, 9, 12), uniform(3, 12, 7, seed=1)
    check(lambda a, b: a @ b, a, b)
    check(lambda a, b: minitorch.matmul(a[0, 0, 0], b), a, b)
    check(lambda a, b: minitorch.baddbmm(b, a, b, beta=0.5, alpha=-2.0), uniform(3, 12, 12), b)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_integers_wrap(dtype):
    rng = np.random.default_rng(0)
    kind = np.dtype(dtype)
    a, b = (rng.integers(np.iinfo(kind).min, np.iinfo(kind).max, s, kind, True)
            for s in ((37, 50), (50, 34)))  # fmt: skip
    a, b = minitorch.tensor(a), minitorch.tensor(b)
    assert np.array_equal((a.cuda() @ b.cuda()).cpu().numpy(), (a @ b).numpy())


def test_int8_into_int32():
    rng = np.random.default_rng(0)
    a, b = (minitorch.tensor(rng.integers(-128, 127, s, np.int8)) for s in ((33, 70), (70, 40)))
    got = minitorch._int_mm(a.cuda(), b.cuda())
    assert np.array_equal(got.cpu().numpy(), minitorch._int_mm(a, b).numpy())


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bias_and_activation(gelu, dtype):
    x, a, b = uniform(70, dtype=dtype), uniform(66, 30, dtype=dtype), uniform(30, 70, dtype=dtype)
    check(lambda x, a, b: minitorch._addmm_activation(x, a, b, use_gelu=gelu), x, a, b)
    check(lambda x, a, b: minitorch._addmm_activation(x, a, b, beta=2, use_gelu=gelu), x, a, b)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_linear_and_its_gradient(dtype):
    def run(x, w, b):
        x, w, b = (t.detach().requires_grad_() for t in (x, w, b))
        y = F.linear(x, w, b)
        y.backward(y.detach())
        return minitorch.cat([t.reshape(-1) for t in (y, x.grad, w.grad, b.grad)])

    check(run, uniform(3, 23, 36, dtype=dtype), uniform(40, 36, dtype=dtype) / 6,
          uniform(40, dtype=dtype))  # fmt: skip


def test_empty():
    a, b = uniform(0, 3).cuda(), uniform(3, 4).cuda()
    assert (a @ b).shape == (0, 4)
    zeros = uniform(3, 0).cuda() @ uniform(0, 4).cuda()
    assert np.array_equal(numbers(zeros), np.zeros((3, 4)))
