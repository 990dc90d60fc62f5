"""GradScaler against torch.amp's: scales, skipped steps, errors and state."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from minitorch.amp import GradScaler

DEVICES = ["cpu", *(["cuda"] if minitorch.cuda.is_available() else [])]


def run(m, scaler, bad, steps=6, device="cpu", **options):
    """Scales and weights of a short training whose gradient overflows in the steps `bad`."""
    w = m.tensor([1.0, 2.0, 3.0], device=device, requires_grad=True)
    opt = m.optim.SGD([w], lr=0.1, **options)
    seen = []
    for i in range(steps):
        opt.zero_grad()
        loss = (w * w).sum() * (float("inf") if i in bad else 1.0)
        scaler.scale(loss).backward()
        if i % 2:
            scaler.unscale_(opt)
        scaler.step(opt)
        scaler.update()
        seen.append((scaler.get_scale(), *w.detach().cpu().tolist()))
    return seen


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bad", [(), (0,), (1, 2), (5,)])
def test_steps(bad, device):
    torch = pytest.importorskip("torch")
    options = {"init_scale": 16.0, "growth_interval": 2}
    ours = run(minitorch, GradScaler(device, **options), bad, device=device)
    theirs = run(torch, torch.amp.GradScaler("cpu", **options), bad)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bad", [(), (0,), (1, 2)])
def test_fused_steps_unscale_and_skip_by_themselves(bad, device):
    torch = pytest.importorskip("torch")
    options = {"init_scale": 16.0, "growth_interval": 2}
    step = {"momentum": 0.9, "fused": True}
    ours = run(minitorch, GradScaler(device, **options), bad, device=device, **step)
    theirs = run(torch, torch.amp.GradScaler("cpu", **options), bad, momentum=0.9)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("n", [1, 15, 16, 100, 5000])
@pytest.mark.parametrize("value", [None, float("inf"), float("-inf"), float("nan")])
def test_unscale_finds_what_is_not_finite(device, dtype, n, value):
    p = minitorch.zeros(n, dtype=getattr(minitorch, dtype), device=device, requires_grad=True)
    p.grad = minitorch.full((n,), 6.0, dtype=p.dtype, device=device)
    if value is not None:
        p.grad[n - 1] = value
    scaler = GradScaler(device, init_scale=2.0)
    opt = minitorch.optim.SGD([p], lr=1.0)
    scaler.unscale_(opt)
    assert (p.grad[: n - 1] == 3.0).all()
    scaler.step(opt)
    assert bool((p == -3.0).all()) if value is None else bool((p == 0).all())


def test_gradients_in_other_layouts():
    p = minitorch.zeros(4, 6, requires_grad=True)
    p.grad = minitorch.full((6, 4), 4.0).t()
    scaler = GradScaler("cpu", init_scale=4.0)
    scaler.unscale_(minitorch.optim.SGD([p], lr=1.0))
    assert (p.grad == 1.0).all()


def test_misuse():
    p = minitorch.zeros(1, requires_grad=True)
    p.grad = minitorch.ones(1)
    opt = minitorch.optim.SGD([p], lr=1.0)
    scaler = GradScaler("cpu", init_scale=1.0)
    scaler.unscale_(opt)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(opt)
    scaler.step(opt)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.step(opt)
    with pytest.raises(RuntimeError, match=r"after step\(\)"):
        scaler.unscale_(opt)
    scaler.update()
    with pytest.raises(AssertionError, match="No inf checks"):
        scaler.update()
    with pytest.raises(RuntimeError, match="Closure"):
        scaler.step(opt, closure=lambda: None)
    half = minitorch.zeros(1, dtype=minitorch.float16, requires_grad=True)
    half.grad = minitorch.ones(1, dtype=minitorch.float16)
    with pytest.raises(ValueError, match="FP16"):
        scaler.unscale_(minitorch.optim.SGD([half], lr=1.0))


def test_disabled_does_nothing():
    scaler = GradScaler("cpu", enabled=False)
    x = minitorch.ones(2)
    assert scaler.scale(x) is x
    assert scaler.get_scale() == 1.0
    assert scaler.state_dict() == {}
    p = minitorch.zeros(1, requires_grad=True)
    p.grad = minitorch.ones(1)
    scaler.step(minitorch.optim.SGD([p], lr=1.0))
    scaler.update()
    assert p.item() == -1.0


def test_scale_of_several_outputs():
    scaler = GradScaler("cpu", init_scale=2.0)
    assert [float(v) for v in scaler.scale([minitorch.ones(()), minitorch.ones(())])] == [2.0, 2.0]
    with pytest.raises(ValueError, match="iterable"):
        scaler.scale(3)


def test_state():
    scaler = GradScaler("cpu", init_scale=8.0, growth_interval=3)
    run(minitorch, scaler, (0,), 2)
    other = GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict()
    assert other.get_scale() == 4.0
    with pytest.raises(RuntimeError, match="empty"):
        other.load_state_dict({})


def test_new_scale():
    scaler = GradScaler("cpu")
    scaler.update(32.0)
    assert scaler.get_scale() == 32.0
    scaler.update(minitorch.tensor(64.0))
    assert scaler.get_scale() == 64.0


def test_pickling_keeps_scale_and_count():
    import pickle

    scaler = GradScaler("cpu", init_scale=8.0, growth_interval=3)
    run(minitorch, scaler, ())
    again = pickle.loads(pickle.dumps(scaler))
    assert again.state_dict() == scaler.state_dict()
    assert again.get_scale() == 32.0
