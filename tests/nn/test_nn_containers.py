"""Sequential, lists and dictionaries of modules and parameters."""

from collections import OrderedDict

import pytest
from nn_helpers import torch

import minitorch

nn = minitorch.nn


def test_sequential():
    a, b, c = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)
    net = nn.Sequential(a, b, c)
    x = minitorch.ones(1, 2)
    assert (net(x) == c(b(a(x)))).all()
    assert len(net) == 3 and net[-1] is c and list(net) == [a, b, c]
    assert list(net[1:]) == [b, c]
    net[1] = nn.Tanh()
    assert isinstance(net[1], nn.Tanh)
    del net[0]
    assert list(net._modules) == ["0", "1"] and net[1] is c
    net.append(a).insert(0, b)
    assert [type(m).__name__ for m in net] == ["ReLU", "Tanh", "Linear", "Linear"]
    net.extend([nn.Identity()])
    assert net.pop(-1).__class__ is nn.Identity
    assert len(net + nn.Sequential(b)) == 5
    assert len(nn.Sequential(b) * 3) == 3
    with pytest.raises(IndexError):
        net[9]
    with pytest.raises(TypeError):
        nn.Sequential(3)
    named = nn.Sequential(OrderedDict(one=a, two=b))
    assert named.one is a and list(named.state_dict()) == ["one.weight", "one.bias"]


def test_module_list():
    net = nn.ModuleList(nn.Linear(i + 1, 1) for i in range(3))
    assert len(net) == 3 and net[-1].in_features == 3
    assert isinstance(net[:2], nn.ModuleList) and len(net[:2]) == 2
    net.append(nn.ReLU())
    net += [nn.Tanh()]
    net.insert(0, nn.Identity())
    assert [type(m).__name__ for m in net][0::5] == ["Identity", "Tanh"]
    del net[0]
    assert list(net._modules) == ["0", "1", "2", "3", "4"]
    assert type(net.pop(4)) is nn.Tanh
    assert len(nn.ModuleList([nn.ReLU()]).__add__([nn.ReLU()])) == 2
    assert len(list(net.parameters())) == 6
    with pytest.raises(NotImplementedError):
        net(1)


def test_module_dict():
    net = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    net["c"] = nn.Tanh()
    net.update([("d", nn.Identity())])
    assert list(net) == ["a", "b", "c", "d"] and "a" in net and len(net) == 4
    assert type(net.pop("c")) is nn.Tanh
    del net["d"]
    assert list(net.keys()) == ["a", "b"]
    assert [type(m) for m in net.values()] == [nn.Linear, nn.ReLU]
    assert list(net.state_dict()) == ["a.weight", "a.bias"]
    net.clear()
    assert len(net) == 0
    with pytest.raises(TypeError):
        net.update(3)
    with pytest.raises(ValueError, match="2 is required"):
        net.update([(1, 2, 3)])


def test_parameter_list():
    net = nn.ParameterList([minitorch.ones(2, 3), nn.Parameter(minitorch.zeros(1))])
    assert isinstance(net[0], nn.Parameter) and len(net) == 2
    assert list(net.state_dict()) == ["0", "1"]
    net.append(minitorch.ones(()))
    net.extend([minitorch.ones(2)])
    net[1] = minitorch.ones(4)
    assert [tuple(p.shape) for p in net] == [(2, 3), (4,), (), (2,)]
    assert len(net[1:3]) == 2
    with pytest.raises(RuntimeError, match="should not be called"):
        net()
    with pytest.raises(TypeError):
        net.extend(minitorch.ones(3))
    assert len(list(net.parameters())) == 4
    want = repr(torch.nn.ParameterList([torch.ones(2, 3)]))
    assert repr(nn.ParameterList([minitorch.ones(2, 3)])) == want


def test_parameter_dict():
    net = nn.ParameterDict({"a": minitorch.ones(2), "b": minitorch.ones(3)})
    net["c"] = minitorch.ones(1)
    assert list(net) == ["a", "b", "c"] and "b" in net and len(net) == 3
    assert isinstance(net["a"], nn.Parameter)
    assert net.get("zzz", 5) == 5
    assert tuple(net.pop("b").shape) == (3,)
    assert net.popitem()[0] == "c"
    assert list(net.state_dict()) == ["a"]
    assert list((net | nn.ParameterDict({"z": minitorch.ones(1)})).keys()) == ["a", "z"]
    assert net.setdefault("q", minitorch.ones(1)) is net["q"]
    with pytest.raises(TypeError):
        net[3] = minitorch.ones(1)
    net.clear()
    assert not list(net.parameters())
