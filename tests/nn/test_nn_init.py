"""Initial values: exact ones against PyTorch, random ones by their distribution."""

import math

import numpy as np
import pytest
from nn_helpers import torch

import minitorch

init, tinit = minitorch.nn.init, torch.nn.init


def test_gains_and_fans():
    for name, param in [
        ("linear", None),
        ("conv2d", None),
        ("sigmoid", None),
        ("tanh", None),
        ("relu", None),
        ("selu", None),
        ("leaky_relu", None),
        ("leaky_relu", 0.2),
    ]:
        assert init.calculate_gain(name, param) == tinit.calculate_gain(name, param)
    with pytest.raises(ValueError, match="Unsupported"):
        init.calculate_gain("swoosh")
    with pytest.raises(ValueError, match="not a valid number"):
        init.calculate_gain("leaky_relu", "x")
    assert init._calculate_fan_in_and_fan_out(minitorch.ones(6, 4, 3, 2)) == (24, 36)
    with pytest.raises(ValueError, match="fewer than 2"):
        init._calculate_fan_in_and_fan_out(minitorch.ones(3))


@pytest.mark.parametrize(
    "name,shape,args",
    [
        ("constant_", (3, 4), (2.5,)),
        ("ones_", (3, 4), ()),
        ("zeros_", (3, 4), ()),
        ("eye_", (3, 5), ()),
        ("dirac_", (4, 3, 3), ()),
        ("dirac_", (6, 3, 3, 2), (2,)),
        ("dirac_", (2, 2, 3, 3, 3), ()),
    ],
)
def test_exact(name, shape, args):
    t = minitorch.nn.Parameter(minitorch.ones(shape) * 7)
    out = getattr(init, name)(t, *args)
    assert out is t
    want = getattr(tinit, name)(torch.full(shape, 7.0), *args)
    np.testing.assert_array_equal(t.detach().numpy(), want.numpy())


@pytest.mark.parametrize(
    "fill,mean,std,bound",
    [
        (lambda t: init.uniform_(t, -1, 3), 1, 4 / math.sqrt(12), 3),
        (lambda t: init.normal_(t, 2, 0.5), 2, 0.5, None),
        (lambda t: init.xavier_uniform_(t, 2.0), 0, 2 * math.sqrt(2 / 500), math.sqrt(24 / 500)),
        (lambda t: init.xavier_normal_(t), 0, math.sqrt(2 / 500), None),
        (lambda t: init.kaiming_uniform_(t), 0, math.sqrt(2 / 200), math.sqrt(6 / 200)),
        (lambda t: init.kaiming_normal_(t, mode="fan_out"), 0, math.sqrt(2 / 300), None),
        (lambda t: init.kaiming_normal_(t, a=1, nonlinearity="leaky_relu"), 0, 200**-0.5, None),
        (lambda t: init.trunc_normal_(t, 0, 1, -1, 1), 0, 0.5396, 1),
    ],
)
def test_random(fill, mean, std, bound):
    minitorch.manual_seed(0)
    t = minitorch.nn.Parameter(minitorch.zeros(300, 200))
    assert fill(t) is t
    values = t.detach().numpy()
    assert abs(values.mean() - mean) < 4 * std / math.sqrt(values.size)
    assert abs(values.std() - std) < 0.01 * std + 1e-4
    if bound is not None:
        assert np.abs(values).max() <= bound * (1 + 1e-6)
        assert np.abs(values).max() > 0.95 * bound


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3)])
def test_orthogonal(shape):
    t = init.orthogonal_(minitorch.zeros(shape), gain=2)
    m = t.numpy().reshape(shape[0], -1)
    gram = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)


def test_sparse():
    t = init.sparse_(minitorch.zeros(10, 4), sparsity=0.25, std=2.0)
    assert ((t.numpy() == 0).sum(0) == 3).all()


def test_bad_shapes_and_old_names():
    with pytest.raises(ValueError):
        init.eye_(minitorch.ones(3))
    with pytest.raises(ValueError):
        init.dirac_(minitorch.ones(3, 3))
    with pytest.raises(ValueError):
        init.orthogonal_(minitorch.ones(3))
    with pytest.raises(ValueError, match="Mode"):
        init.kaiming_normal_(minitorch.ones(3, 3), mode="fan_up")
    with pytest.warns(FutureWarning, match="constant_"):
        assert (init.constant(minitorch.ones(2), 3) == 3).all()
    with pytest.warns(UserWarning, match="zero-element"):
        init.kaiming_uniform_(minitorch.ones(0, 3))
