"""What every optimizer can do: groups, state dicts, hooks, checks."""

import copy
import pickle

import numpy as np
import pytest
from optim_helpers import close, make, run, set_grads, torch

import minitorch

nn, optim = minitorch.nn, minitorch.optim


def to_mini(value):
    """A state dict of PyTorch's with minitorch tensors."""
    if isinstance(value, torch.Tensor):
        return minitorch.from_numpy(np.array(value.numpy()))
    if isinstance(value, dict):
        return {k: to_mini(v) for k, v in value.items()}
    if isinstance(value, list):
        return [to_mini(v) for v in value]
    return value


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "NAdam", "Adagrad"])
def test_state_dict_of_pytorch_continues(name):
    kwargs = {"lr": 0.1, "momentum": 0.9} if name == "SGD" else {"lr": 0.1}
    theirs, b = run(torch, name, kwargs, steps=4)
    mine = make(minitorch)
    a = getattr(optim, name)(mine, lr=123.0)
    a.load_state_dict(to_mini(b.state_dict()))
    for p, q in zip(mine, theirs, strict=True):
        p.data.copy_(minitorch.from_numpy(np.array(q.detach().numpy())))
    for step in range(4, 8):
        set_grads(minitorch, mine, step)
        set_grads(torch, theirs, step)
        a.step()
        b.step()
    for p, q in zip(mine, theirs, strict=True):
        close(p, q)


def test_loading_does_not_tie_the_state_to_the_dictionary():
    params, a = run(minitorch, "Adam", {"lr": 0.1}, steps=2)
    state = a.state_dict()
    b = optim.Adam(params, lr=0.5)
    b.load_state_dict(state)
    before = state["state"][0]["exp_avg"].numpy().copy()
    set_grads(minitorch, params, 3)
    b.step()
    np.testing.assert_array_equal(state["state"][0]["exp_avg"].numpy(), before)
    assert state["state"][0]["step"].item() == 2
    assert b.param_groups[0]["lr"] == 0.1


def test_state_takes_the_dtype_of_the_parameters():
    params, a = run(minitorch, "Adam", {"lr": 0.1}, steps=2)
    doubles = [nn.Parameter(p.detach().double()) for p in params]
    b = optim.Adam(doubles)
    b.load_state_dict(a.state_dict())
    assert b.state[doubles[0]]["exp_avg"].dtype == minitorch.float64
    assert b.state[doubles[0]]["step"].dtype == minitorch.float32


@pytest.mark.parametrize(
    "make_bad,error,message",
    [
        (lambda p: optim.SGD([], lr=0.1), ValueError, "empty parameter list"),
        (lambda p: optim.SGD(p, lr=0.1), TypeError, "iterable of Tensors or dicts"),
        (lambda p: optim.SGD([3], lr=0.1), TypeError, "can only optimize Tensors"),
        (lambda p: optim.SGD([p * 2], lr=0.1), ValueError, "non-leaf"),
        (lambda p: optim.SGD([p], lr=-1), ValueError, "Invalid learning rate: -1"),
        (lambda p: optim.SGD([p], momentum=-1), ValueError, "Invalid momentum value: -1"),
        (lambda p: optim.SGD([p], nesterov=True), ValueError, "Nesterov"),
        (lambda p: optim.Adam([p], betas=(1.0, 0.9)), ValueError, "beta parameter at index 0: 1.0"),
        (lambda p: optim.Adam([p], eps=-1), ValueError, "Invalid epsilon value: -1"),
        (lambda p: optim.Adam([p], weight_decay=-1), ValueError, "Invalid weight_decay value"),
        (lambda p: optim.Adadelta([p], rho=2), ValueError, "Invalid rho"),
        (lambda p: optim.Rprop([p], etas=(2, 1)), ValueError, "Invalid eta"),
        (lambda p: optim.SGD([{"params": {p}}], lr=1), TypeError, "ordered collections"),
        (lambda p: optim.SGD([{"params": [p]}, {"params": [p]}]), ValueError, "more than one"),
        (
            lambda p: optim.LBFGS([{"params": [p]}, {"params": [nn.Parameter(p.detach())]}]),
            ValueError,
            "parameter groups",
        ),
        (lambda p: optim.Optimizer([p], {}).step(), NotImplementedError, "step"),
    ],
)
def test_checks(make_bad, error, message):
    with pytest.raises(error, match=message):
        make_bad(nn.Parameter(minitorch.ones(2)))


def test_load_state_dict_checks():
    a = optim.SGD(make(minitorch), lr=0.1)
    state = a.state_dict()
    with pytest.raises(ValueError, match="different number of parameter groups"):
        a.load_state_dict({"state": {}, "param_groups": []})
    state["param_groups"][0]["params"] = [0]
    with pytest.raises(ValueError, match="doesn't match the size"):
        a.load_state_dict(state)


def test_add_param_group_and_names():
    params = make(minitorch)
    a = optim.SGD([("w", params[0])], lr=0.1)
    assert a.param_groups[0]["param_names"] == ["w"]
    a.add_param_group({"params": [("b", params[1])], "lr": 0.5})
    assert [g["lr"] for g in a.param_groups] == [0.1, 0.5]
    assert a.state_dict()["param_groups"][1]["params"] == [1]
    with pytest.raises(ValueError, match="names"):
        a.add_param_group({"params": [params[2]]})
    with pytest.raises(TypeError, match="must be a dict"):
        a.add_param_group([params[3]])


def test_generator_and_single_tensor_in_a_group():
    net = nn.Linear(2, 2)
    assert len(optim.SGD(net.parameters(), lr=0.1).param_groups[0]["params"]) == 2
    assert len(optim.SGD([{"params": net.weight}], lr=0.1).param_groups[0]["params"]) == 1
    assert optim.SGD(net.named_parameters()).param_groups[0]["param_names"] == ["weight", "bias"]


def test_zero_grad():
    params, a = run(minitorch, "SGD", {"lr": 0.1}, steps=1)
    a.zero_grad(set_to_none=False)
    assert all(p.grad.abs().sum().item() == 0 for p in params)
    a.zero_grad()
    assert all(p.grad is None for p in params)
    before = [p.detach().numpy().copy() for p in params]
    a.step()
    for p, b in zip(params, before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), b)


def test_hooks():
    _, a = run(minitorch, "SGD", {"lr": 0.1}, steps=1)
    seen = []
    a.register_step_pre_hook(lambda o, args, kwargs: seen.append("pre"))
    handle = a.register_step_post_hook(lambda o, args, kwargs: seen.append("post"))
    a.register_state_dict_pre_hook(lambda o: seen.append("saving"))
    a.register_state_dict_post_hook(lambda o, s: {**s, "more": 1})
    a.register_load_state_dict_pre_hook(lambda o, s: seen.append(s["more"]))
    a.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    a.step()
    handle.remove()
    a.step()
    a.load_state_dict(a.state_dict())
    assert seen == ["pre", "post", "pre", "saving", 1, "loaded"]


def test_user_defined_optimizer():
    class Half(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {})

        @minitorch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.mul_(0.5)

    p = nn.Parameter(minitorch.ones(2))
    a = Half([p])
    count = []
    a.register_step_post_hook(lambda *args: count.append(1))
    a.step()
    assert p.tolist() == [0.5, 0.5] and count == [1]


def test_copies():
    _, a = run(minitorch, "Adam", {"lr": 0.1}, steps=2)
    for b in (copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        p = b.param_groups[0]["params"][0]
        assert b.state[p]["step"].item() == 2
        p.grad = minitorch.ones_like(p)
        b.step()
        assert b.state[p]["step"].item() == 3


def test_training_reduces_the_loss():
    minitorch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    x = minitorch.randn(64, 2)
    y = (x[:, :1] * x[:, 1:]).sin()
    a = optim.AdamW(net.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        loss = ((net(x) - y) ** 2).mean()
        a.zero_grad()
        loss.backward()
        a.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "Adagrad", "NAdam"])
def test_a_step_that_raises_changes_nothing(name):
    params, a = run(minitorch, name, {"lr": 0.1}, steps=1)
    key = next(k for k, v in a.state[params[1]].items() if v.dim() > 0)
    a.state[params[1]][key] = minitorch.zeros(7)
    before = [p.detach().numpy().copy() for p in params]
    set_grads(minitorch, params, 1)
    with pytest.raises(RuntimeError, match=r"a state has shape \[7\], the parameter \[5\]"):
        a.step()
    for p, b in zip(params, before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), b)
    assert a.state[params[0]]["step"].item() == 1
