"""Optimizers and gradient clipping on the GPU: many tensors in one launch."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.cuda.cuda_helpers import TOLERANCES, needs_gpu, numbers, random

pytestmark = needs_gpu

SHAPES = [(3, 4), (1,), (5000,), (70, 61), (), (0, 3)]
OPTIMIZERS = {
    "SGD": {"lr": 0.1},
    "SGD-momentum": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "Adam": {"lr": 0.01},
    "AdamW": {"lr": 0.01, "amsgrad": True},
    "RMSprop": {"lr": 0.01, "centered": True, "momentum": 0.9},
    "Adagrad": {"lr": 0.01},
    "Adadelta": {"lr": 0.5},
    "Adamax": {"lr": 0.01},
    "NAdam": {"lr": 0.01},
    "RAdam": {"lr": 0.01},
}


def train(name, device, dtype, steps=3, shapes=SHAPES):
    params = [minitorch.nn.Parameter(random(*s, dtype=dtype, seed=i).to(device))
              for i, s in enumerate(shapes)]  # fmt: skip
    optimizer = getattr(minitorch.optim, name.split("-")[0])(params, **OPTIMIZERS[name])
    for step in range(steps):
        for i, p in enumerate(params):
            p.grad = random(*p.shape, dtype=dtype, seed=100 * step + i).to(device)
        optimizer.step()
    return params, optimizer


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps(name, dtype):
    want, _ = train(name, "cpu", dtype)
    got, _ = train(name, "cuda", dtype)
    rtol, atol = TOLERANCES[dtype]
    for a, b in zip(want, got):
        assert b.is_cuda
        np.testing.assert_allclose(numbers(b), numbers(a), rtol=rtol, atol=atol)


def test_more_parameters_than_one_launch_takes():
    shapes = [(k % 7 + 1,) for k in range(150)]
    want, _ = train("Adam", "cpu", "float32", shapes=shapes)
    got, optimizer = train("Adam", "cuda", "float32", shapes=shapes)
    for a, b in zip(want, got):
        np.testing.assert_allclose(numbers(b), numbers(a), rtol=1e-5, atol=1e-6)
    state = optimizer.state[got[0]]
    assert state["step"].item() == 3
    assert state["exp_avg"].is_cuda


def test_strided_parameter():
    def run(device):
        p = minitorch.nn.Parameter(random(6, 40).to(device).t())
        optimizer = minitorch.optim.Adam([p], lr=0.1)
        p.grad = random(40, 6, seed=1).to(device)
        optimizer.step()
        return numbers(p)

    np.testing.assert_allclose(run("cuda"), run("cpu"), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("limit", [0.5, 1e6])
def test_clip_grad_norm(limit, dtype):
    def run(device):
        params = [minitorch.nn.Parameter(random(*s, dtype=dtype, seed=i).to(device))
                  for i, s in enumerate(SHAPES)]  # fmt: skip
        for i, p in enumerate(params):
            p.grad = random(*p.shape, dtype=dtype, seed=50 + i).to(device)
        norm = minitorch.nn.utils.clip_grad_norm_(params, limit)
        return [norm] + [p.grad for p in params]

    rtol, atol = TOLERANCES[dtype]
    for a, b in zip(run("cpu"), run("cuda")):
        assert b.is_cuda
        np.testing.assert_allclose(numbers(b), numbers(a), rtol=rtol, atol=atol)


def test_clip_grad_norm_of_nan():
    p = minitorch.nn.Parameter(minitorch.ones(3).cuda())
    p.grad = minitorch.tensor([1.0, float("nan"), 2.0]).cuda()
    assert np.isnan(minitorch.nn.utils.clip_grad_norm_([p], 1.0).item())
    assert np.isnan(numbers(p.grad)).all()


def test_a_training_step_in_a_graph_never_waits_for_the_device():
    nn = minitorch.nn

    def build():
        minitorch.manual_seed(0)
        layers = nn.Linear(8, 16), nn.LayerNorm(16), nn.ReLU(), nn.BatchNorm1d(16), nn.Linear(16, 5)
        model = nn.Sequential(*layers).cuda()
        return model, minitorch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    x, y = random(32, 8).cuda(), (minitorch.arange(32) % 5).cuda()

    def step(model, optimizer):
        optimizer.zero_grad(set_to_none=False)
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    eager = build()
    want = [step(*eager).item() for _ in range(5)]
    captured = build()
    got = [step(*captured).item()]
    graph = minitorch.cuda.CUDAGraph()
    with minitorch.cuda.graph(graph):
        loss = step(*captured)
    for _ in range(4):
        graph.replay()
        got.append(loss.item())
    assert got == want
