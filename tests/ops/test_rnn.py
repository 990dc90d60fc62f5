"""Recurrent layers over a sequence."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from minitorch.ops import rnn
from tests.ops.harness import Case, make_tests

GATES = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}


def ours(kind, reverse):
    """The fused layer as a case's function."""

    def call(m, *args):
        if m is not minitorch:
            return reference(kind, reverse)(m, *args)
        if kind == "lstm":
            return rnn.lstm_layer(*args, reverse=reverse)
        x, h, _, *weights = args
        if kind == "gru":
            return rnn.gru_layer(x, h, *weights, reverse=reverse)
        return rnn.rnn_layer(x, h, *weights, reverse=reverse, nonlinearity=kind)

    return call


def reference(kind, reverse):
    """The same through torch's modules."""

    def call(torch, x, h, c, *weights):
        flat = list(weights)
        args = (flat, len(flat) == 4, 1, 0.0, False, False, False)
        x = x.flip(0) if reverse else x
        if kind == "lstm":
            out, h, c = torch.lstm(x, (h.unsqueeze(0), c.unsqueeze(0)), *args)
            return (out.flip(0) if reverse else out), h.squeeze(0), c.squeeze(0)
        f = torch.gru if kind == "gru" else getattr(torch, f"rnn_{kind}")
        out, h = f(x, h.unsqueeze(0), *args)
        return (out.flip(0) if reverse else out), h.squeeze(0)

    return call


def shapes(kind, steps, n, features, hidden, bias=True):
    """Shapes of x, h0, c0, w_ih, w_hh, b_ih, b_hh."""
    g = GATES[kind] * hidden
    return [
        (steps, n, features), (n, hidden), (n, hidden), (g, features), (g, hidden), *[(g,), (g,)] * bias
    ]  # fmt: skip


TOLERANCE = {"float32": (1e-4, 1e-5)}
SIZES = [(1, 1, 1, 1), (2, 1, 1, 2, False), (5, 3, 4, 7), (3, 50, 9, 130), (4, 2, 33, 16)]
CASES = [
    Case(
        f"{kind}-{reverse}",
        ours(kind, reverse),
        [shapes(kind, *s) for s in SIZES],
        dtypes=("float32", "float64"),
        low=-0.5,
        high=0.5,
        tolerance=TOLERANCE,
    )
    for kind in GATES
    for reverse in (False, True)
]
globals().update(make_tests(CASES))


def numbers(rng, *size):
    """A float64 tensor."""
    return minitorch.tensor(rng.uniform(-0.5, 0.5, size))


def test_gradient_of_the_last_states_alone():
    rng = np.random.default_rng(0)
    args = [numbers(rng, *s).requires_grad_() for s in shapes("lstm", 2, 2, 2, 3)]
    assert minitorch.autograd.gradcheck(lambda *a: rnn.lstm_layer(*a)[1:], args)
    _, _, c_n = rnn.lstm_layer(*args)
    c_n.sum().backward()
    assert args[0].grad.abs().sum().item() > 0


def test_empty_batch():
    x, h = minitorch.zeros(3, 0, 2), minitorch.zeros(0, 4)
    w = [minitorch.ones(16, 2, requires_grad=True), minitorch.ones(16, 4, requires_grad=True)]
    out, _, _ = rnn.lstm_layer(x, h, h, *w)
    assert out.shape == (3, 0, 4)
    out.sum().backward()
    assert not w[0].grad.any()
    assert not w[1].grad.any()


def test_sixteen_bits():
    rng = np.random.default_rng(0)
    args = [numbers(rng, *s) for s in shapes("gru", 4, 2, 3, 5)]
    del args[2]
    want = rnn.gru_layer(*args)
    got = rnn.gru_layer(*(a.bfloat16() for a in args))
    for a, b in zip(got, want):
        assert a.dtype is minitorch.bfloat16
        np.testing.assert_allclose(a.float().numpy(), b.numpy(), atol=2e-2)


def test_bad_shapes():
    x, h = minitorch.zeros(3, 2, 5), minitorch.zeros(2, 4)
    w_ih, w_hh = minitorch.zeros(16, 5), minitorch.zeros(16, 4)
    with pytest.raises(RuntimeError, match=r"input \[steps, batch, features\]"):
        rnn.lstm_layer(x[0], h, h, w_ih, w_hh)
    with pytest.raises(RuntimeError, match=r"w_hh of shape \[4 \* hidden"):
        rnn.lstm_layer(x, h, h, w_ih, w_hh[:8])
    with pytest.raises(RuntimeError, match=r"w_ih of shape \[16, 5\]"):
        rnn.lstm_layer(x, h, h, w_ih[:, :3], w_hh)
    with pytest.raises(RuntimeError, match=r"h0 of shape \[2, 4\]"):
        rnn.lstm_layer(x, h[:1], h, w_ih, w_hh)
    with pytest.raises(RuntimeError, match="c0"):
        rnn.lstm_layer(x, h, None, w_ih, w_hh)
    with pytest.raises(RuntimeError, match="dtype"):
        rnn.lstm_layer(x, h.double(), h, w_ih, w_hh)
    with pytest.raises(RuntimeError, match="biases"):
        rnn.lstm_layer(x, h, h, w_ih, w_hh, minitorch.zeros(3), minitorch.zeros(16))
    with pytest.raises(RuntimeError, match="sequence length"):
        rnn.lstm_layer(x[:0], h, h, w_ih, w_hh)
    with pytest.raises(ValueError, match="nonlinearity"):
        rnn.rnn_layer(x, h, w_ih[:4], w_hh[:4], nonlinearity="gelu")


def test_same_bits_for_any_number_of_threads():
    rng = np.random.default_rng(0)
    before = minitorch.get_num_threads()
    data = [rng.uniform(-0.5, 0.5, s).astype(np.float32) for s in shapes("lstm", 5, 100, 20, 70)]
    results = set()
    try:
        for n in (1, 2, 3):
            minitorch.set_num_threads(n)
            args = [minitorch.tensor(d).requires_grad_() for d in data]
            out, _, _ = rnn.lstm_layer(*args)
            out.backward(minitorch.ones_like(out))
            results.add(
                b"".join(t.detach().numpy().tobytes() for t in (out, *(a.grad for a in args)))
            )
    finally:
        minitorch.set_num_threads(before)
    assert len(results) == 1
