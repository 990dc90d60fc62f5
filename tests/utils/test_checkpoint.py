"""Activation checkpointing: the same results and gradients, with less kept."""

from __future__ import annotations

from functools import partial

import pytest

import minitorch
from minitorch import nn
from minitorch.utils.checkpoint import checkpoint, checkpoint_sequential


def network(dropout=0.0):
    minitorch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)
    )


def gradients(model, run, seed=1):
    model.zero_grad()
    g = minitorch.Generator()
    g.manual_seed(seed)
    x = minitorch.randn(5, 4, generator=g).requires_grad_(True)
    minitorch.manual_seed(2)
    y = run(x)
    y.square().sum().backward()
    after = minitorch.rand(1).item()
    return y.tolist(), x.grad.tolist(), [p.grad.tolist() for p in model.parameters()], after


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_same_values_and_gradients(use_reentrant, dropout):
    model = network(dropout)
    plain = gradients(model, model)
    assert gradients(model, lambda x: checkpoint(model, x, use_reentrant=use_reentrant)) == plain
    for segments in (1, 2, 3):
        run = partial(checkpoint_sequential, model, segments, use_reentrant=use_reentrant)
        run = gradients(model, run)
        assert run == plain


def test_without_rng_state_dropout_differs():
    model = network(0.5)
    same = gradients(model, lambda x: checkpoint(model, x))
    other = gradients(model, lambda x: checkpoint(model, x, preserve_rng_state=False))
    assert other[0] == same[0] and other[1] != same[1]


def test_runs_twice_and_keeps_less():
    calls = []

    class Counted(minitorch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            calls.append("forward")
            ctx.save_for_backward(x)
            return x.clone()

        @staticmethod
        def backward(ctx, dy):
            calls.append("backward")
            return dy * ctx.saved_tensors[0]

    x = minitorch.full((2,), 3.0, requires_grad=True)
    y = checkpoint(lambda t: Counted.apply(t * 2), x)
    assert calls == ["forward"] and y.tolist() == [6, 6]
    assert y.grad_fn.next_functions[1][0].variable is x, "the call is one node of the graph"
    y.sum().backward()
    assert calls == ["forward", "forward", "backward"] and x.grad.tolist() == [12, 12]


def test_structures_and_constants():
    x = minitorch.ones(2, requires_grad=True)
    k = minitorch.full((2,), 5.0)

    def function(a, pair, *, scale):
        return {
            "out": a * pair[0] * scale,
            "index": (a > 0).to(minitorch.int64),
            "n": 7,
            "k": pair[0],
        }

    out = checkpoint(function, x, (k, "text"), scale=2.0)
    assert out["n"] == 7 and out["index"].tolist() == [1, 1] and not out["k"].requires_grad
    out["out"].sum().backward()
    assert x.grad.tolist() == [10, 10]


def test_several_outputs_of_which_one_is_used():
    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    a, b = checkpoint(lambda t: (t * 3, t.exp()), x)
    a.sum().backward()
    assert x.grad.tolist() == [3, 3] and b.requires_grad


def test_parameters_in_a_closure():
    x, w = minitorch.ones(2), minitorch.full((2,), 4.0, requires_grad=True)
    y = checkpoint(lambda t: t * w, x)
    (grad,) = minitorch.autograd.grad(y.sum(), [w])
    assert grad.tolist() == [1, 1]


def test_results_from_outside_are_refused():
    w = minitorch.ones(2, requires_grad=True)
    hidden = w * 2
    with pytest.raises(RuntimeError, match="MulNumber.*pass it as an argument"):
        checkpoint(lambda t: t * hidden, minitorch.ones(2))
    y = checkpoint(lambda t, h: t * h, minitorch.ones(2), hidden)
    y.sum().backward()
    assert w.grad.tolist() == [2, 2]


def test_nested():
    x = minitorch.tensor([0.5], requires_grad=True)
    y = checkpoint(lambda t: checkpoint(lambda u: u.exp(), t * 2) * t, x)
    y.backward()
    e = minitorch.tensor([1.0]).exp()
    assert x.grad.tolist() == pytest.approx((e * 2 * 0.5 + e).tolist())


def test_second_derivative():
    x = minitorch.tensor([2.0], requires_grad=True)
    y = checkpoint(lambda t: t * t * t, x)
    (first,) = minitorch.autograd.grad(y.sum(), [x], create_graph=True)
    (second,) = minitorch.autograd.grad(first.sum(), [x])
    assert first.item() == pytest.approx(12) and second.item() == pytest.approx(12)


def test_without_gradients():
    x = minitorch.ones(2, requires_grad=True)
    with minitorch.no_grad():
        assert checkpoint(lambda t: t + 1, x).grad_fn is None
    assert checkpoint(lambda t: t + 1, minitorch.ones(2)).tolist() == [2, 2]


def test_changed_function_is_noticed():
    sizes = iter([2, 3])
    x = minitorch.ones(4, requires_grad=True)
    y = checkpoint(lambda t: t[: next(sizes)], x)
    with pytest.raises(RuntimeError, match=r"\(2,\).*\(3,\)"):
        y.sum().backward()


def test_contexts():
    entered = []

    class Note:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            entered.append(self.name)

        def __exit__(self, *error):
            pass

    x = minitorch.ones(1, requires_grad=True)
    checkpoint(lambda t: t * 2, x, context_fn=lambda: (Note("first"), Note("again"))).backward()
    assert entered == ["first", "again"]


def test_segments():
    with pytest.raises(ValueError, match="segments"):
        checkpoint_sequential(network(), 7, minitorch.ones(1, 4))
