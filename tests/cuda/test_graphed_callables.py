"""make_graphed_callables: the same values, gradients and random numbers as without."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch as m
from tests.cuda.cuda_helpers import needs_gpu, numbers, random

pytestmark = needs_gpu
nn = m.nn


def network():
    m.manual_seed(0)
    layers = nn.Linear(6, 20), nn.ReLU(), nn.Dropout(0.4), nn.Linear(20, 3)
    return nn.Sequential(*layers).cuda()


def train(model, steps=4):
    optimizer = m.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    m.manual_seed(7)
    losses = []
    for k in range(steps):
        x, y = random(9, 6, seed=k).cuda(), ((m.arange(9) + k) % 3).cuda()
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, [numbers(p) for p in model.parameters()]


def test_a_module_trains_with_the_same_bits():
    want, weights = train(network())
    model = network()
    assert m.cuda.make_graphed_callables(model, (m.zeros(9, 6, device="cuda"),)) is model
    got, others = train(model)
    assert got == want
    for a, b in zip(weights, others):
        np.testing.assert_array_equal(a, b)
    model.eval()  # the mode that was not recorded: any shape
    assert model(m.zeros(2, 6, device="cuda")).shape == (2, 3)
    model.train()
    with pytest.raises(RuntimeError, match="its sample has shape"):
        model(m.zeros(2, 6, device="cuda"))


def test_functions_with_several_arguments_and_results():
    w = m.linspace(-1, 1, 12, device="cuda").reshape(3, 4)

    def f(x, pair):
        y = (x @ w) * pair["a"]
        return {"y": y, "rest": (y.exp().sum(), pair["b"] + 1)}

    def g(x):
        return x.tanh()

    x = m.ones(5, 3, device="cuda", requires_grad=True)
    a = m.ones(5, 4, device="cuda", requires_grad=True)
    b = m.arange(4, device="cuda")
    graphed, second = m.cuda.make_graphed_callables((f, g), ((x, {"a": a, "b": b}), (a + 0,)))

    def run(f, g):
        x = random(5, 3, seed=1).cuda().requires_grad_()
        a = random(5, 4, seed=2).cuda().requires_grad_()
        out = f(x * 1.0, {"a": a, "b": b * 3})
        total, b_after = out["rest"]
        assert not b_after.requires_grad
        (g(out["y"]).sum() + total).backward()
        return [numbers(t) for t in (out["y"], total, b_after, x.grad, a.grad)]

    for _ in range(2):
        for p, q in zip(run(f, g), run(graphed, second)):
            np.testing.assert_array_equal(p, q)


def test_what_cannot_be_graphed():
    make, x = m.cuda.make_graphed_callables, m.zeros(2, 6, device="cuda")
    with pytest.raises(TypeError, match="must be tensors"):
        make(lambda v, n: v * n, (x, 3))
    model = network()
    model.register_forward_hook(lambda *_: None)
    with pytest.raises(RuntimeError, match="hooks"):
        make(model, (x,))
    with m.autocast("cuda"), pytest.raises(RuntimeError, match="autocast caching"):
        make(network(), (x,))
