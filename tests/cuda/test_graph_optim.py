"""Optimizers in captured graphs: the same bits as eager steps, and no step without capturable."""

from __future__ import annotations

import io

import numpy as np
import pytest

import minitorch as m
from tests.cuda.cuda_helpers import needs_gpu, numbers, random

pytestmark = needs_gpu

SHAPES = [(3, 4), (1,), (4099,), (), (0, 3)]
OPTIMIZERS = {
    "Adam": {"lr": 0.01, "weight_decay": 0.1},
    "Adam-amsgrad": {"lr": 0.01, "amsgrad": True, "maximize": True},
    "AdamW": {"lr": 0.01},
    "NAdam": {"lr": 0.01, "decoupled_weight_decay": True, "weight_decay": 0.1},
    "RAdam": {"lr": 0.01},
    "Adamax": {"lr": 0.01},
    "Adadelta": {"lr": 0.5},
    "RMSprop": {"lr": 0.01, "centered": True, "momentum": 0.9},
    "ASGD": {"lr": 0.05, "t0": 2, "weight_decay": 0.1},
    "Rprop": {"lr": 0.01},
}
CLASSES = sorted({name.split("-")[0] for name in OPTIMIZERS})


def build(name, device="cuda", dtype="float32", **options):
    params = [m.nn.Parameter(random(*s, dtype=dtype, seed=i).to(device))
              for i, s in enumerate(SHAPES)]  # fmt: skip
    for i, p in enumerate(params):
        p.grad = random(*p.shape, dtype=dtype, seed=50 + i).to(device)
    make = getattr(m.optim, name.split("-")[0])
    return params, make(params, **(OPTIMIZERS.get(name, {"lr": 0.1}) | options))


def gradients(params, step):
    for i, p in enumerate(params):
        p.grad.copy_(random(*p.shape, seed=100 * step + i).to(p.dtype))


def everything(params, optimizer):
    states = [optimizer.state[p] for p in params]
    tensors = [t for s in states for t in s.values() if isinstance(t, m.Tensor)]
    return [numbers(t) for t in [*params, *tensors]]


def captured(step):
    graph = m.cuda.CUDAGraph()
    with m.cuda.graph(graph):
        step()
    return graph


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_replays_are_steps(name, dtype):
    want, eager = build(name, dtype=dtype, capturable=True)
    got, optimizer = build(name, dtype=dtype, capturable=True)
    assert all(s["step"].is_cuda for s in (optimizer.step(), optimizer.state[got[0]])[1:])
    eager.step()
    graph = captured(optimizer.step)
    for step in range(5):
        for params in want, got:
            gradients(params, step)
        eager.step(), graph.replay()
    for a, b in zip(everything(want, eager), everything(got, optimizer)):
        np.testing.assert_array_equal(a, b)
    assert optimizer.state[got[0]]["step"].item() == 6


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_count_on_the_gpu_changes_nothing(name):
    results = []
    for device, capturable in (("cpu", False), ("cuda", True)):
        params, optimizer = build(name, device, capturable=capturable)
        for step in range(4):
            gradients(params, step)
            optimizer.step()
        results.append(everything(params, optimizer))
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [*CLASSES, "Adagrad"])
def test_without_capturable_a_step_is_not_captured(name):
    params, optimizer = build(name)
    optimizer.step()
    before = everything(params, optimizer)
    text = rf"capture of step\(\) for an instance of {name} but param_groups' capturable is False"
    with pytest.raises(RuntimeError, match=text):
        captured(optimizer.step)
    for a, b in zip(before, everything(params, optimizer)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "ASGD"])
def test_a_learning_rate_on_the_gpu_may_change_between_replays(name):
    def run(graphed):
        lr = m.tensor(0.125, device="cuda")
        options = {} if name == "SGD" else {"capturable": True}
        params, optimizer = build(name, **(options | {"lr": lr}))
        optimizer.step()
        step = captured(optimizer.step).replay if graphed else optimizer.step
        for k in range(3):
            lr.fill_(0.5**k)
            gradients(params, k)
            step()
        return everything(params, optimizer)

    for a, b in zip(run(False), run(True)):
        np.testing.assert_array_equal(a, b)


def test_more_parameters_than_a_launch_takes():
    def run(graphed):
        params = [m.nn.Parameter(m.full((k % 7,), 1.0, device="cuda")) for k in range(300)]
        for p in params:
            p.grad = m.ones_like(p)
        optimizer = m.optim.AdamW(params, lr=0.1, capturable=True)
        optimizer.step()
        step = captured(optimizer.step).replay if graphed else optimizer.step
        step(), step()
        return params, optimizer

    (want, eager), (got, optimizer) = run(False), run(True)
    for a, b in zip(everything(want, eager), everything(got, optimizer)):
        np.testing.assert_array_equal(a, b)
    assert all(s["step"].item() == 3 for s in optimizer.state.values())


@pytest.mark.parametrize("graphed", [False, True])
@pytest.mark.parametrize("name", ["SGD", "SGD-momentum", "Adam", "AdamW"])
def test_fused_steps_unscale_and_skip_by_themselves(name, graphed):
    options = {"momentum": 0.9} if "momentum" in name else {}
    capturable = {} if name.startswith("SGD") else {"capturable": True}

    def run(fused):
        params, optimizer = build(name, fused=fused, **options, **(capturable if fused else {}))
        optimizer.step()
        found, scale = m.zeros((), device="cuda"), m.full((), 8.0, device="cuda")
        step = optimizer.step
        if fused:
            optimizer.grad_scale, optimizer.found_inf = scale, found
            step = captured(step).replay if graphed else step
        for k, bad in enumerate((False, True, False)):
            gradients(params, k)
            found.fill_(float(bad))
            if fused:
                step()
            else:
                for p in params:
                    p.grad /= 8.0
                if not bad:
                    step()
        return everything(params, optimizer), [numbers(p.grad) for p in params]

    (want, want_grads), (got, got_grads) = run(None), run(True)
    for a, b in zip(want + want_grads, got + got_grads):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("options", [{"capturable": True}, {"fused": True}, {}])
def test_loading_puts_counts_where_they_belong(options):
    options = {"weight_decay": 0} | options
    params, optimizer = build("Adam", **options)
    optimizer.step()
    file = io.BytesIO()
    m.save(optimizer.state_dict(), file)
    file.seek(0)
    state = m.load(file, map_location="cpu")
    assert state["state"][0]["step"].device.type == "cpu"
    state["param_groups"][0].update({"capturable": False, "fused": None} | options)
    again, loaded = build("Adam", **options)
    loaded.load_state_dict(state)
    there = loaded.state[again[0]]
    assert there["step"].is_cuda == (len(options) > 1)
    assert there["step"].item() == 1.0
    assert there["exp_avg"].is_cuda
    for kind in params, again:
        gradients(kind, 7)
    optimizer.step(), loaded.step()
    for a, b in zip(optimizer.state[params[0]].values(), there.values()):
        np.testing.assert_array_equal(numbers(a), numbers(b))


def test_clipping_is_captured():
    def run(graphed):
        params, optimizer = build("AdamW", capturable=True)
        norms = []

        def step():
            norm = m.nn.utils.clip_grad_norm_(params, 1.0)
            norms.append(norm)
            optimizer.step()

        step()
        graph = captured(step) if graphed else None
        found = []
        for k in range(3):
            gradients(params, k)
            graph.replay() if graphed else step()
            found.append(norms[-1].item())
        return [*everything(params, optimizer), *found]

    for a, b in zip(run(False), run(True)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD"])
def test_a_whole_training_step(name):
    nn = m.nn
    options = {"SGD": {"momentum": 0.9}}.get(name, {"capturable": True})

    def prepare():
        m.manual_seed(0)
        layers = nn.Linear(6, 20), nn.GELU(), nn.Dropout(0.3), nn.LayerNorm(20), nn.Linear(20, 3)
        model = nn.Sequential(*layers).cuda()
        optimizer = getattr(m.optim, name)(model.parameters(), lr=0.05, **options)
        x, y = m.zeros(10, 6, device="cuda"), m.zeros(10, dtype=m.int64, device="cuda")

        def step():
            optimizer.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            return loss

        return model, x, y, step

    def train(graphed):
        model, x, y, step = prepare()
        step()
        if graphed:
            graph = m.cuda.CUDAGraph()
            with m.cuda.graph(graph):
                loss = step()
        losses = []
        for k in range(5):
            x.copy_(random(10, 6, seed=k)), y.copy_((m.arange(10) + k) % 3)
            if graphed:
                graph.replay()
            else:
                loss = step()
            losses.append(loss.item())
        return losses, [numbers(p) for p in model.parameters()], m.rand(3, device="cuda")

    (want, weights, after), (got, other, after_too) = train(False), train(True)
    assert got == want
    assert len(set(got)) == 5
    for a, b in zip(weights, other):
        np.testing.assert_array_equal(a, b)
    assert bool((after == after_too).all())


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("fused", [True, None])
@pytest.mark.parametrize("name", ["AdamW", "SGD"])
def test_a_scaled_step_never_waits_for_the_device(name, fused, clip):
    """Fused in a graph against the unscaling and skipping that the host decides, one overflow."""
    options = {} if name == "SGD" else {"capturable": True}

    def train(graphed):
        w = m.nn.Parameter(random(5, 4).cuda())
        optimizer = getattr(m.optim, name)(
            [w], lr=0.25, fused=True if graphed else fused, **options
        )
        scaler = m.amp.GradScaler("cuda", init_scale=2.0**10, growth_interval=2)
        x, scales = m.ones(3, 4, device="cuda"), []

        def step():
            optimizer.zero_grad(set_to_none=False)
            loss = (x @ w.t()).square().mean()
            scaler.scale(loss).backward()
            if clip:
                scaler.unscale_(optimizer)
                m.nn.utils.clip_grad_norm_([w], 0.1)
            scaler.step(optimizer)
            scaler.update()

        step()
        run = captured(step).replay if graphed else step
        for k in range(6):
            x.copy_(random(3, 4, seed=k))
            if k in (1, 4):
                x[0, 0] = float("inf")
            run()
            scales.append(scaler.get_scale())
        return [numbers(w), scaler.state_dict(), scales]

    want, got = train(False), train(True)
    np.testing.assert_array_equal(want[0], got[0])
    assert want[1:] == got[1:]
    assert set(want[2]) == {2.0**10, 2.0**11}
