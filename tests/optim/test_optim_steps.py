"""Every optimizer, with its options, step by step against PyTorch's."""

import numpy as np
import pytest
from optim_helpers import close, compare_state, make, run, set_grads, torch

import minitorch

CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.1}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.2, "amsgrad": True}),
    ("RMSprop", {"lr": 0.1}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.9, "momentum": 0.8, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.1, "centered": True, "maximize": True}),
    ("RMSprop", {"lr": 0.1, "centered": True, "momentum": 0.5}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {"lr": 0.1}),
    ("Adamax", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {"lr": 0.1}),
    ("RAdam", {"lr": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("ASGD", {"lr": 0.1}),
    ("ASGD", {"lr": 0.1, "t0": 3, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {"lr": 0.1}),
    ("Rprop", {"lr": 0.1, "etas": (0.4, 1.5), "step_sizes": (1e-3, 0.2), "maximize": True}),
    ("Adafactor", {"lr": 0.1}),
    ("Adafactor", {"lr": 0.1, "weight_decay": 0.1, "d": 2.0, "maximize": True}),
]


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "textbook"])
@pytest.mark.parametrize("name,kwargs", CASES, ids=[f"{n}-{k}" for n, k in CASES])
def test_steps(name, kwargs, fused):
    mine, a = run(minitorch, name, kwargs, fused=fused)
    theirs, b = run(torch, name, kwargs)
    for p, q in zip(mine, theirs, strict=True):
        close(p, q)
    compare_state(a, b)
    assert repr(a) == repr(b)


@pytest.mark.parametrize(
    "name,kwargs",
    [("SGD", {"lr": 0.1, "momentum": 0.9}), ("Adam", {"lr": 0.1}), ("RMSprop", {"lr": 0.1})],
)
def test_parameters_without_gradient_keep_their_own_count(name, kwargs):
    mine, a = run(minitorch, name, kwargs, skip=(1, 2))
    theirs, b = run(torch, name, kwargs, skip=(1, 2))
    for p, q in zip(mine, theirs, strict=True):
        close(p, q)
    compare_state(a, b)


@pytest.mark.parametrize("name", sorted({n for n, _ in CASES}))
def test_float64(name):
    mine, a = run(minitorch, name, {"lr": 0.05}, dtype="float64")
    theirs, b = run(torch, name, {"lr": 0.05}, dtype="float64")
    for p, q in zip(mine, theirs, strict=True):
        close(p, q, 1e-6)
    compare_state(a, b, 1e-6)


@pytest.mark.parametrize("name,kwargs", CASES, ids=[f"{n}-{k}" for n, k in CASES])
def test_fused_equals_textbook_on_large_and_strided_parameters(name, kwargs):
    results = []
    for fused in (True, False):
        rng = np.random.default_rng(5)
        data = [rng.standard_normal(s).astype(np.float32) for s in [(70001,), (33, 65), (7, 3)]]
        params = [minitorch.nn.Parameter(minitorch.from_numpy(d)) for d in data[:2]]
        # A parameter and gradients that are not contiguous.
        base = minitorch.from_numpy(data[2])
        params.append(minitorch.nn.Parameter(base.t()))
        optimizer = getattr(minitorch.optim, name)(params, **kwargs)
        optimizer._fused = fused
        for _ in range(3):
            for p in params:
                g = rng.standard_normal(tuple(p.shape)[::-1]).astype(np.float32)
                p.grad = minitorch.from_numpy(g).t() if p.dim() == 2 else minitorch.from_numpy(g)
            optimizer.step()
        results.append([p.detach().numpy().copy() for p in params])
        assert base.data_ptr() == params[2].data_ptr()
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_parameters_of_several_dtypes_in_one_group():
    rng = np.random.default_rng(6)
    data = [rng.standard_normal(n) for n in (5, 40000, 0, 3, 17)]
    kinds = ["float32", "float16", "float32", "float64", "bfloat16"]
    params = [
        minitorch.nn.Parameter(minitorch.tensor(d, dtype=getattr(minitorch, k)))
        for d, k in zip(data, kinds, strict=True)
    ]
    alone = [minitorch.nn.Parameter(p.detach().clone()) for p in params]
    optimizers = [minitorch.optim.Adam(params), *(minitorch.optim.Adam([p]) for p in alone)]
    for p, q in zip(params, alone, strict=True):
        p.grad = p.detach() * 2
        q.grad = q.detach() * 2
    for optimizer in optimizers:
        optimizer.step()
    for p, q, d in zip(params, alone, data, strict=True):
        assert (p == q).all()
        moved = p.detach().double().numpy() - d
        np.testing.assert_allclose(np.abs(moved), 1e-3, atol=1e-2 if p.itemsize == 2 else 1e-6)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs(search):
    finals = []
    for lib in (minitorch, torch):
        x = lib.nn.Parameter(lib.from_numpy(np.array([-1.2, 1.0, 0.3])))
        y = lib.nn.Parameter(lib.from_numpy(np.array(0.5)))
        lr = 1 if search else 0.05
        optimizer = lib.optim.LBFGS(
            [x, y], lr=lr, max_iter=6, history_size=3, line_search_fn=search
        )
        losses = []

        def closure(x=x, y=y, optimizer=optimizer, losses=losses):
            optimizer.zero_grad()
            a, b, c = x[0], x[1], x[2]
            loss = 100 * (b - a * a) ** 2 + (1 - a) ** 2 + (c - y) ** 2 + y**4
            loss.backward()
            losses.append(loss.item())
            return loss

        for _ in range(4):
            optimizer.step(closure)
        finals.append((x.detach().numpy(), y.item(), losses, optimizer.state[x]["n_iter"]))
    (xa, ya, la, na), (xb, yb, lb, nb) = finals
    assert na == nb and len(la) == len(lb)
    np.testing.assert_allclose(la, lb, rtol=1e-6)
    np.testing.assert_allclose(xa, xb, rtol=1e-6)
    assert ya == pytest.approx(yb, rel=1e-6)


def test_step_updates_in_place_and_counts_the_version():
    p = make(minitorch)[0]
    optimizer = minitorch.optim.SGD([p], lr=1.0)
    alias, version = p.detach(), p._version
    p.grad = minitorch.ones_like(p)
    before = p.detach().numpy().copy()
    optimizer.step()
    np.testing.assert_allclose(alias.numpy(), before - 1)
    assert p._version > version


def test_a_saved_tensor_changed_by_a_step_is_noticed():
    p = minitorch.nn.Parameter(minitorch.ones(3))
    loss = (p * p).sum()
    p.grad = minitorch.ones(3)
    minitorch.optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified"):
        loss.backward()


def test_closure_runs_with_gradients():
    p = minitorch.nn.Parameter(minitorch.ones(2))
    optimizer = minitorch.optim.Adam([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    first = optimizer.step(closure).item()
    assert first == 2
    assert optimizer.step(closure).item() < first
    with minitorch.no_grad():
        optimizer.step(closure)


def test_lr_as_a_tensor():
    p, q = make(minitorch)[0], make(torch)[0]
    a = minitorch.optim.Adam([p], lr=minitorch.tensor(0.1))
    b = torch.optim.Adam([q], lr=torch.tensor(0.1))
    for step in range(3):
        set_grads(minitorch, [p], step)
        set_grads(torch, [q], step)
        a.step()
        b.step()
    close(p, q)


def test_groups_have_their_own_options():
    finals = []
    for lib in (minitorch, torch):
        params = make(lib)
        optimizer = lib.optim.SGD(
            [{"params": params[:2]}, {"params": params[2:], "lr": 1.0, "weight_decay": 0.5}],
            lr=0.1,
            momentum=0.5,
        )
        for step in range(3):
            set_grads(lib, params, step)
            optimizer.step()
        finals.append((params, optimizer))
    for p, q in zip(finals[0][0], finals[1][0], strict=True):
        close(p, q)
    assert repr(finals[0][1]) == repr(finals[1][1])
