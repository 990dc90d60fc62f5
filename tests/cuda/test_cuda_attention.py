"""Attention and recurrent layers on the GPU beside the CPU, the same bits in two runs."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import numbers

pytestmark = pytest.mark.skipif(
    not minitorch.cuda.is_available(), reason="no GPU, real or emulated"
)
F = minitorch.nn.functional


def uniform(*shape, dtype="float32", seed=0):
    x = np.random.default_rng(seed).uniform(-1, 1, shape)
    return minitorch.tensor(x).to(getattr(minitorch, dtype))


def flat(out):
    return [t for o in out for t in flat(o)] if isinstance(out, (tuple, list)) else [out]


def results(f, tensors):
    """f's results and the gradients for some weights of them."""
    tensors = [t.detach().requires_grad_() for t in tensors]
    outs = flat(f(*tensors))
    weights = [
        minitorch.tensor(np.cos(np.arange(y.numel()))).to(y.dtype).reshape(y.shape).to(y.device)
        for y in outs
    ]
    minitorch.autograd.backward(outs, weights)
    return [numbers(t) for t in (*outs, *(t.grad for t in tensors))]


def check(f, *tensors, tolerance=2e-5):
    want = results(f, tensors)
    got = results(f, [t.cuda() for t in tensors])
    again = results(f, [t.cuda() for t in tensors])
    for a, b, c in zip(got, want, again):
        assert np.array_equal(a, c)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# Queries, keys, width, width of values.
SHAPES = [(70, 66, 40, 24), (5, 130, 36, 70), (130, 40, 130, 136), (1, 9, 3, 2)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_attention(shape, causal, dtype):
    i, j, width, value_width = shape
    q, k, v = (uniform(1, 2, i, width, dtype=dtype), uniform(1, 2, j, width, dtype=dtype, seed=1),
               uniform(1, 2, j, value_width, dtype=dtype, seed=2))  # fmt: skip
    check(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal), q, k, v)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_few_queries_of_many_keys(dtype, causal):
    q, k, v = (uniform(1, 2, n, 20, dtype=dtype, seed=n) for n in (3, 1100, 1100))
    check(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal), q, k, v)
    mask = minitorch.ones(3, 1100, dtype=minitorch.bool)
    mask[0, 300:900] = False
    mask[1] = False
    check(lambda q, k, v: F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask.to(q.device)), q, k, v)  # fmt: skip


@pytest.mark.parametrize("kind", ["bool", "added", "broadcast"])
def test_masks_and_groups(kind):
    rng = np.random.default_rng(3)
    shape = (2, 1, 1, 40) if kind == "broadcast" else (2, 4, 36, 40)
    mask = rng.uniform(-2, 2, shape) if kind == "added" else rng.random(shape) > 0.5
    if kind == "bool":
        mask[0, 0, 3] = False  # a query that sees no key
    mask = minitorch.tensor(mask)
    mask = mask.float() if kind == "added" else mask
    q = uniform(2, 36, 4, 16).transpose(1, 2)
    k, v = (uniform(2, 40, 2, 16, seed=s).transpose(1, 2) for s in (1, 2))
    check(lambda q, k, v: F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask.to(q.device), enable_gqa=True), q, k, v)  # fmt: skip


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", ["lstm", "gru", "tanh", "relu"])
def test_recurrent(kind, reverse):
    from minitorch.ops import rnn

    gates = {"lstm": 4, "gru": 3}.get(kind, 1)
    steps, n, features, hidden = 4, 3, 7, 37
    x, h = uniform(steps, n, features), uniform(n, hidden, seed=1)
    weights = [uniform(gates * hidden, m, seed=2) / 4 for m in (features, hidden)]
    biases = [uniform(gates * hidden, seed=s) for s in (3, 4)]
    if kind == "lstm":
        c = uniform(n, hidden, seed=5)
        check(lambda *a: rnn.lstm_layer(*a, reverse=reverse), x, h, c, *weights, *biases)
    elif kind == "gru":
        check(lambda *a: rnn.gru_layer(*a, reverse=reverse), x, h, *weights, *biases)
    else:
        check(lambda *a: rnn.rnn_layer(*a, reverse=reverse, nonlinearity=kind), x, h, *weights,
              *biases)  # fmt: skip
