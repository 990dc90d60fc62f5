"""Hooks around a module's forward and backward."""

import numpy as np
import pytest
from nn_helpers import close, torch

import minitorch

nn = minitorch.nn


def test_forward_hooks():
    net = nn.Linear(2, 2)
    seen = []
    first = net.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    second = net.register_forward_hook(lambda m, args, out: seen.append(args[0]) or out + 1)
    x = minitorch.ones(1, 2)
    plain = nn.functional.linear(x * 2, net.weight, net.bias)
    close(net(x), to_torch_like(plain + 1))
    assert (seen[0] == 2).all()
    first.remove()
    second.remove()
    close(net(x), to_torch_like(nn.functional.linear(x, net.weight, net.bias)))


def to_torch_like(t):
    return torch.from_numpy(t.detach().numpy())


def test_forward_hooks_with_kwargs_and_order():
    class Add(nn.Module):
        def forward(self, x, *, y):
            return x + y

    order = []
    net = Add()
    net.register_forward_pre_hook(
        lambda m, args, kwargs: (args, {"y": kwargs["y"] * 10}), with_kwargs=True
    )
    net.register_forward_hook(lambda m, args, out: order.append("last"))
    net.register_forward_hook(
        lambda m, args, kwargs, out: order.append(kwargs["y"].item()),
        with_kwargs=True,
        prepend=True,
    )
    assert net(minitorch.tensor(1.0), y=minitorch.tensor(2.0)).item() == 21
    assert order == [20.0, "last"]


def test_always_called_hook_runs_after_an_error():
    class Bad(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    seen = []
    net = Bad()
    net.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    net.register_forward_hook(lambda m, args, out: seen.append("not this one"))
    with pytest.raises(ValueError, match="no"):
        net(1)
    assert seen == [None]


def test_handle_as_context_manager():
    net = nn.Identity()
    with net.register_forward_hook(lambda m, args, out: out + 1):
        assert net(minitorch.tensor(1.0)).item() == 2
    assert net(minitorch.tensor(1.0)).item() == 1


def test_global_hooks():
    from minitorch.nn.modules.module import (
        register_module_forward_hook,
        register_module_forward_pre_hook,
        register_module_parameter_registration_hook,
    )

    seen = []
    with (
        register_module_forward_pre_hook(lambda m, args: seen.append("pre")),
        register_module_forward_hook(lambda m, args, out: seen.append("post")),
        register_module_parameter_registration_hook(lambda m, name, p: seen.append(name)),
    ):
        nn.Linear(1, 1)(minitorch.ones(1))
    nn.Linear(1, 1)(minitorch.ones(1))
    assert seen == ["weight", "bias", "pre", "post"]


def test_full_backward_hooks():
    net = nn.Linear(2, 1, bias=False)
    seen = {}
    net.register_full_backward_pre_hook(lambda m, grad_out: (grad_out[0] * 2,))
    net.register_full_backward_hook(
        lambda m, grad_in, grad_out: seen.update(grad_in=grad_in, grad_out=grad_out)
    )
    x = minitorch.ones(3, 2, requires_grad=True)
    net(x).sum().backward()
    assert (seen["grad_out"][0] == 2).all()
    np.testing.assert_allclose(x.grad.numpy(), seen["grad_in"][0].numpy())
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.repeat(net.weight.detach().numpy(), 3, 0))
    np.testing.assert_allclose(net.weight.grad.numpy(), [[6, 6]])


def test_full_backward_hook_replaces_the_input_gradient():
    net = nn.Identity()
    net.register_full_backward_hook(lambda m, grad_in, grad_out: (grad_in[0] * 3,))
    x = minitorch.ones(2, requires_grad=True)
    net(x * 1).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_full_backward_hook_without_input_gradient():
    net = nn.Linear(2, 1)
    seen = []
    net.register_full_backward_hook(lambda m, grad_in, grad_out: seen.append(grad_in))
    net(minitorch.ones(3, 2)).sum().backward()
    assert seen == [(None,)]
