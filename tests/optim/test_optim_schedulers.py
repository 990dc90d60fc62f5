"""Every scheduler over many epochs, float for float against PyTorch's."""

import warnings

import pytest
from optim_helpers import torch

import minitorch


def base_schedulers(lib):
    """Schedulers by name, each a function of an optimizer."""
    s = lib.optim.lr_scheduler
    return {
        "lambda": lambda o: s.LambdaLR(o, lambda e: 0.95**e),
        "lambda per group": lambda o: s.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)]),
        "multiplicative": lambda o: s.MultiplicativeLR(o, lambda e: 0.97),
        "step": lambda o: s.StepLR(o, 7, 0.3),
        "multistep": lambda o: s.MultiStepLR(o, [3, 10, 10, 30], 0.5),
        "constant": lambda o: s.ConstantLR(o, 0.4, 6),
        "linear": lambda o: s.LinearLR(o, 0.2, 0.8, 12),
        "exponential": lambda o: s.ExponentialLR(o, 0.93),
        "polynomial": lambda o: s.PolynomialLR(o, 40, 1.7),
        "cosine": lambda o: s.CosineAnnealingLR(o, 12, 1e-3),
        "restarts": lambda o: s.CosineAnnealingWarmRestarts(o, 5, 2, 1e-4),
        "restarts, equal": lambda o: s.CosineAnnealingWarmRestarts(o, 6),
        "cyclic": lambda o: s.CyclicLR(o, 0.01, 0.5, 5, 9),
        "cyclic, per group": lambda o: s.CyclicLR(
            o, [0.01, 0.02], [0.5, 0.3], 4, mode="triangular2", base_momentum=[0.7, 0.8]
        ),
        "cyclic, exponential": lambda o: s.CyclicLR(
            o, 0.01, 0.5, 5, mode="exp_range", gamma=0.95, cycle_momentum=False
        ),
        "cyclic, own scale": lambda o: s.CyclicLR(
            o, 0.01, 0.5, 5, scale_fn=lambda x: 1 / x, scale_mode="cycle"
        ),
        "one cycle": lambda o: s.OneCycleLR(o, 0.5, total_steps=51),
        "one cycle, linear": lambda o: s.OneCycleLR(
            o, [0.5, 0.4], epochs=17, steps_per_epoch=3, anneal_strategy="linear"
        ),
        "one cycle, three phases": lambda o: s.OneCycleLR(
            o, 0.5, total_steps=60, three_phase=True, pct_start=0.2, div_factor=10.0
        ),
        "sequential": lambda o: s.SequentialLR(
            o,
            [s.LinearLR(o, 0.1, total_iters=5), s.CosineAnnealingLR(o, 20), s.StepLR(o, 3)],
            [5, 25],
        ),
        "nested sequential": lambda o: s.SequentialLR(
            o,
            [
                s.SequentialLR(o, [s.ExponentialLR(o, 0.9), s.StepLR(o, 4)], [9]),
                s.ConstantLR(o, 0.1, 4),
            ],
            [20],
        ),
        "chained": lambda o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 8), s.ExponentialLR(o, 0.9)]),
        "swa": lambda o: lib.optim.swa_utils.SWALR(o, 0.02, 8),
        "swa, linear": lambda o: lib.optim.swa_utils.SWALR(o, [0.02, 0.4], 8, "linear"),
    }


def optimizer(lib, name="SGD"):
    a, b = lib.nn.Parameter(lib.ones(1)), lib.nn.Parameter(lib.ones(1))
    groups = [{"params": [a]}, {"params": [b], "lr": 0.3}]
    kwargs = {"momentum": 0.9} if name == "SGD" else {}
    return getattr(lib.optim, name)(groups, lr=0.1, **kwargs)


def options(o):
    """Rates, and momenta, of all groups."""
    return [(g["lr"], g.get("momentum"), g.get("betas")) for g in o.param_groups]


@pytest.mark.parametrize("name", list(base_schedulers(minitorch)))
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_fifty_steps(name, kind):
    traces = []
    for lib in (minitorch, torch):
        o = optimizer(lib, kind)
        with warnings.catch_warnings():
            # PyTorch warns where one scheduler starts another inside SequentialLR.
            warnings.simplefilter("ignore")
            s = base_schedulers(lib)[name](o)
            trace = [options(o)]
            for _ in range(50):
                o.step()
                s.step()
                trace.append((options(o), s.get_last_lr()))
        traces.append(trace)
    assert traces[0] == traces[1]


@pytest.mark.parametrize("name", list(base_schedulers(minitorch)))
def test_state_dict_continues(name):
    def fresh():
        o = optimizer(minitorch)
        return o, base_schedulers(minitorch)[name](o)

    o, s = fresh()
    for _ in range(9):
        o.step()
        s.step()
    saved_o, saved_s = o.state_dict(), s.state_dict()
    p, t = fresh()
    p.load_state_dict(saved_o)
    t.load_state_dict(saved_s)
    for _ in range(20):
        for a, b in ((o, s), (p, t)):
            a.step()
            b.step()
        assert options(o) == options(p)
    assert s.get_last_lr() == t.get_last_lr()


@pytest.mark.parametrize("name", ["step", "constant", "linear", "one cycle", "cyclic", "cosine"])
def test_state_dict_has_the_keys_of_pytorch(name):
    mine = base_schedulers(minitorch)[name](optimizer(minitorch)).state_dict()
    theirs = base_schedulers(torch)[name](optimizer(torch)).state_dict()
    assert set(theirs) - {"_get_lr_called_within_step", "_is_initial"} <= set(mine)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"patience": 2, "factor": 0.5},
        {"mode": "max", "patience": 1, "threshold_mode": "abs", "threshold": 0.1, "cooldown": 2},
        {"patience": 0, "min_lr": [0.05, 0.1], "threshold": 0.2},
    ],
    ids=str,
)
def test_reduce_on_plateau(kwargs):
    metrics = [5, 4, 4, 4.01, 3, 3, 3, 3, 3, 3.5, 2, 2, 2, 2, 2, 1.9, 1.9, 1.9] * 2
    traces = []
    for lib in (minitorch, torch):
        o = optimizer(lib)
        s = lib.optim.lr_scheduler.ReduceLROnPlateau(o, **kwargs)
        trace = []
        for m in metrics:
            o.step()
            s.step(m if m != 3 else lib.tensor(3.0))
            trace.append((options(o), s.num_bad_epochs, s.best, s.get_last_lr()))
        traces.append(trace)
    assert traces[0] == traces[1]


def test_jump_to_an_epoch():
    for name in ("step", "multistep", "linear", "cosine", "polynomial", "lambda"):
        rates = []
        for lib in (minitorch, torch):
            o = optimizer(lib)
            s = base_schedulers(lib)[name](o)
            o.step()
            with pytest.warns(UserWarning, match="epoch"):
                s.step(11)
            rates.append(options(o))
        assert rates[0] == rates[1]


def test_restarts_by_fractional_epochs():
    rates = []
    for lib in (minitorch, torch):
        o = optimizer(lib)
        s = lib.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 2)
        rates.append([])
        for epoch in (0.5, 2.9, 3.0, 8.75, 9.5, 30):
            s.step(epoch)
            rates[-1].append(options(o))
    assert rates[0] == rates[1]


def test_order_warning_and_resuming():
    o = optimizer(minitorch)
    s = minitorch.optim.lr_scheduler.StepLR(o, 1)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        s.step()
    with pytest.raises(KeyError, match="initial_lr"):
        minitorch.optim.lr_scheduler.StepLR(optimizer(minitorch), 1, last_epoch=3)


@pytest.mark.parametrize("name", ["cosine", "step", "linear", "lambda", "restarts", "one cycle"])
def test_resuming_at_an_epoch(name):
    traces = []
    for lib in (minitorch, torch):
        o = optimizer(lib)
        for group in o.param_groups:
            group.update(initial_lr=1.0, max_lr=0.5, min_lr=0.01)
            group.update(max_momentum=0.9, base_momentum=0.8)
        if name == "cosine":
            s = lib.optim.lr_scheduler.CosineAnnealingLR(o, 10, last_epoch=4)
        elif name == "step":
            s = lib.optim.lr_scheduler.StepLR(o, 3, last_epoch=4)
        elif name == "linear":
            s = lib.optim.lr_scheduler.LinearLR(o, last_epoch=2)
        elif name == "lambda":
            s = lib.optim.lr_scheduler.LambdaLR(o, lambda e: 0.9**e, last_epoch=2)
        elif name == "restarts":
            s = lib.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 3, last_epoch=2)
        else:
            s = lib.optim.lr_scheduler.OneCycleLR(o, 0.5, total_steps=20, last_epoch=4)
        trace = [options(o)]
        for _ in range(8):
            o.step()
            s.step()
            trace.append(options(o))
        traces.append(trace)
    assert traces[0] == traces[1]


def test_lr_tensor_keeps_its_identity():
    lr = minitorch.tensor(0.5)
    o = minitorch.optim.SGD([minitorch.nn.Parameter(minitorch.ones(1))], lr=lr)
    s = minitorch.optim.lr_scheduler.StepLR(o, 1, 0.5)
    o.step()
    s.step()
    assert o.param_groups[0]["lr"] is lr and lr.item() == 0.25


@pytest.mark.parametrize(
    "make_bad,error",
    [
        (lambda s, o: s.LambdaLR(o, [lambda e: 1]), ValueError),
        (lambda s, o: s.ConstantLR(o, 2.0), ValueError),
        (lambda s, o: s.LinearLR(o, 0.0), ValueError),
        (lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1)], [1]), ValueError),
        (lambda s, o: s.SequentialLR(o, [], []), ValueError),
        (lambda s, o: s.ChainedScheduler([]), ValueError),
        (lambda s, o: s.ReduceLROnPlateau(o, factor=1.0), ValueError),
        (lambda s, o: s.OneCycleLR(o, 0.1), ValueError),
        (lambda s, o: s.CosineAnnealingWarmRestarts(o, 0), ValueError),
        (lambda s, o: s.StepLR(3, 1), TypeError),
    ],
)
def test_checks(make_bad, error):
    with pytest.raises(error):
        make_bad(minitorch.optim.lr_scheduler, optimizer(minitorch))


def test_one_cycle_ends():
    o = optimizer(minitorch)
    s = minitorch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=3)
    o.step()
    for _ in range(3):
        s.step()
    with pytest.raises(ValueError, match="total number of steps"):
        s.step()
