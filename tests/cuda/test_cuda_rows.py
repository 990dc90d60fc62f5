"""Softmax, cross-entropy and normalisations on the GPU: rows for registers and rows too long."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.cuda.cuda_helpers import compare, needs_gpu, random

pytestmark = needs_gpu
F = minitorch.nn.functional

SIZES = [1, 5, 16, 31, 64, 65, 129, 500, 1000, 1026, 2048]
WIDE = {"float32": None, "bfloat16": (3e-2, 3e-2), "float16": (5e-3, 5e-3)}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("n", [*SIZES, 17_000])
def test_softmax_of_rows(n, dtype):
    x = random(45 if n < 100 else 5 if n < 5000 else 2, n, dtype=dtype)
    compare(lambda x: (x.softmax(-1), x.log_softmax(-1)), x, grad=True, tolerance=WIDE.get(dtype))


@pytest.mark.parametrize("shape", [(3, 5, 40), (2, 70, 33), (1, 300, 40), (2, 600, 3)])
def test_softmax_of_columns(shape):
    compare(lambda x: (x.softmax(1), x.log_softmax(1)), random(*shape), grad=True)


@pytest.mark.parametrize("shape", [(4, 7), (4, 1500), (4, 17_000)])
def test_softmax_of_infinities(shape):
    x = random(*shape)
    x[0] = -float("inf")
    x[1, 2] = float("inf")
    x[2, 3] = -float("inf")
    x[3, 1] = float("nan")
    compare(lambda x: (x.softmax(-1), x.log_softmax(-1)), x)
    compare(lambda x: (x.softmax(1), x.log_softmax(1)), x.t().reshape(1, shape[1], 4).contiguous())


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("n", [1, 31, 128, 200, 257, 1000, 2048, 8200])
def test_layer_norm(n, dtype):
    rows = 5 if n > 300 else 70
    args = [random(*s, dtype=dtype, seed=k) for k, s in enumerate([(rows, n), (n,), (n,)])]
    tolerance = (1e-2, 3e-2) if dtype == "float16" else (1e-4, 1e-4)
    compare(lambda x, w, b: F.layer_norm(x, (n,), w, b), *args, grad=True, tolerance=tolerance)
    compare(lambda x, w: F.rms_norm(x, (n,), w), *args[:2], grad=True, tolerance=tolerance)


def test_layer_norm_is_accurate_far_from_zero():
    x = random(3, 9000, low=1000, high=1001)
    compare(lambda x: F.layer_norm(x, (9000,)), x, tolerance=(1e-3, 1e-3))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize(
    "shape", [(4, 3, 5, 5), (2, 5, 8, 8), (300, 40), (3, 7), (2, 2, 70, 64), (5, 33, 4)]
)
def test_batch_norm(shape, dtype):
    c = shape[1]
    x, w, b = (random(*s, dtype=dtype, seed=k) for k, s in enumerate([shape, (c,), (c,)]))
    tolerance = WIDE.get(dtype) or (1e-4, 1e-4)

    def train(x, w, b):
        mean, var = minitorch.zeros_like(w.detach()), minitorch.ones_like(w.detach())
        return F.batch_norm(x, mean, var, w, b, training=True), mean, var

    def evaluate(x, w, b):
        mean, var = w.detach() * 0.1, b.detach().abs() + 0.5
        return F.batch_norm(x, mean, var, w, b)

    compare(train, x, w, b, grad=True, tolerance=tolerance)
    compare(evaluate, x, w, b, grad=True, tolerance=tolerance)


def test_batch_norm_is_accurate_far_from_zero():
    x = random(4, 2, 40, 40, low=1000, high=1001)
    mean, var = minitorch.zeros(2).cuda(), minitorch.ones(2).cuda()
    F.batch_norm(x.cuda(), mean, var, training=True, momentum=1.0)
    want = x.double().numpy().var(axis=(0, 2, 3), ddof=1)
    np.testing.assert_allclose(var.cpu().numpy(), want, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize(
    ("shape", "groups"), [((2, 6, 5, 5), 3), ((3, 4, 8, 8), 4), ((2, 8), 2), ((2, 4, 1100), 2)]
)
def test_group_norm(shape, groups, dtype):
    c = shape[1]
    x, w, b = (random(*s, dtype=dtype, seed=k) for k, s in enumerate([shape, (c,), (c,)]))
    tolerance = (5e-2, 5e-2) if dtype == "bfloat16" else (1e-4, 1e-4)
    compare(lambda x, w, b: F.group_norm(x, groups, w, b), x, w, b, grad=True, tolerance=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("shape", [(7, 5), (3, 1030), (2, 5000), (3, 4, 6, 7)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(shape, dtype, reduction, smoothing):
    rows = (shape[0], *shape[2:])
    x, w = random(*shape, dtype=dtype), random(shape[1], dtype=dtype, low=0.5, high=1.5)
    y = minitorch.tensor(np.random.default_rng(5).integers(0, shape[1], rows))
    y.reshape(-1)[0] = -100
    tolerance = (2e-2, 2e-2) if dtype == "bfloat16" else None
    options = {"reduction": reduction, "label_smoothing": smoothing}
    compare(lambda x: F.cross_entropy(x, y.to(x.device), **options), x, grad=True,
            tolerance=tolerance)  # fmt: skip
    compare(lambda x: F.cross_entropy(x, y.to(x.device), w.to(x.device), **options), x, grad=True,
            tolerance=tolerance)  # fmt: skip


@pytest.mark.parametrize("shape", [(7, 5), (2, 1030), (3, 4, 6)])
def test_cross_entropy_of_probabilities(shape):
    x, t = random(*shape), random(*shape, seed=3).softmax(1)
    compare(lambda x: F.cross_entropy(x, t.to(x.device), label_smoothing=0.2), x, grad=True)


@pytest.mark.parametrize("shape", [(7, 5), (3, 4, 6)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_nll_loss(shape, reduction):
    y = minitorch.tensor(np.random.default_rng(5).integers(0, shape[1], (shape[0], *shape[2:])))
    compare(lambda x: F.nll_loss(x, y.to(x.device), reduction=reduction), random(*shape), grad=True)


def test_many_rows():
    x = random(20_000, 3)
    y = minitorch.tensor(np.random.default_rng(5).integers(0, 3, 20_000))
    compare(lambda x: F.cross_entropy(x, y.to(x.device)), x)


def test_a_class_out_of_range():
    x, y = random(4, 3).cuda(), minitorch.tensor([0, 1, 3, 2]).cuda()
    with pytest.raises(IndexError, match="index 3 is out of bounds"):
        F.cross_entropy(x, y)
        minitorch.cuda.synchronize()
    F.cross_entropy(x, y.clamp(max=2))


@pytest.mark.parametrize("labels", [[[1, 2, 2, 3], [4, 1, 0, 0]], [[1, 1, 1, 1], [2, 0, 0, 0]]])
def test_ctc(labels):
    x = random(12, 2, 5, dtype="float64").log_softmax(-1)
    targets = minitorch.tensor(labels)
    compare(
        lambda x: F.ctc_loss(
            x, targets.to(x.device), minitorch.tensor([12, 9]), minitorch.tensor([4, 2])
        ),
        x,
        grad=True,
    )
