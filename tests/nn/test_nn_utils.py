"""Gradient clipping, parameter vectors, weight and spectral norm, parametrizations, fusion."""

import copy

import numpy as np
import pytest
from nn_helpers import close, compare_layers, load_from_torch, torch

import minitorch

mn, tn = minitorch.nn, torch.nn
mu, tu = minitorch.nn.utils, torch.nn.utils
rng = np.random.default_rng(3)


def x(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def pair_with_grads(scale=1.0):
    shapes, out = [(3, 4), (5,), (2, 2)], []
    data = [(x(*s), x(*s) * scale) for s in shapes]
    for lib in (minitorch, torch):
        params = []
        for p, g in data:
            q = lib.nn.Parameter(lib.from_numpy(p.copy()))
            q.grad = lib.from_numpy(g.copy())
            params.append(q)
        params.append(lib.nn.Parameter(lib.ones(2)))  # no gradient
        out.append(params)
    return out


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 1e6])
def test_clip_grad_norm(norm_type, max_norm):
    mine, theirs = pair_with_grads()
    a = mu.clip_grad_norm_(mine, max_norm, norm_type)
    b = tu.clip_grad_norm_(theirs, max_norm, norm_type)
    close(a, b)
    for p, q in zip(mine[:3], theirs[:3], strict=True):
        close(p.grad, q.grad)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_clip_many_strided_gradients(dtype):
    data = [x(300, 401).astype(dtype), x(7).astype(dtype), x(6, 5).astype(dtype)]
    norms, grads = [], []
    for lib in (minitorch, torch):
        params = [lib.nn.Parameter(lib.from_numpy(d.copy())) for d in data]
        params[0].grad = lib.from_numpy(data[0].T.copy()).t() * 3
        params[1].grad = lib.from_numpy(data[1].copy())
        params[2].grad = lib.from_numpy(np.repeat(data[2], 2, 1))[:, ::2]
        norms.append(lib.nn.utils.clip_grad_norm_(params, 2.0))
        grads.append([p.grad for p in params])
    tol = 2e-3 if dtype == "float16" else 1e-5
    close(*norms, tol)
    for a, b in zip(*grads, strict=True):
        close(a, b, tol)


def test_clip_grad_norm_edge_cases():
    assert mu.clip_grad_norm_([], 1.0).item() == 0
    mine, _ = pair_with_grads()
    assert mu.clip_grad_norm_(iter(mine), 1.0).item() > 0
    mine[0].grad.fill_(float("nan"))
    with pytest.raises(RuntimeError, match="non-finite"):
        mu.clip_grad_norm_(mine, 1.0, error_if_nonfinite=True)


def test_clip_grad_value():
    mine, theirs = pair_with_grads(3.0)
    mu.clip_grad_value_(mine, 0.7)
    tu.clip_grad_value_(theirs, 0.7)
    for p, q in zip(mine[:3], theirs[:3], strict=True):
        close(p.grad, q.grad)


def test_parameter_vectors():
    net = mn.Sequential(mn.Linear(2, 3), mn.Linear(3, 1))
    v = mu.parameters_to_vector(net.parameters())
    assert tuple(v.shape) == (13,)
    mu.vector_to_parameters(minitorch.arange(13).float(), net.parameters())
    assert net[1].bias.item() == 12
    assert net[0].weight.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm(dim):
    def make(lib):
        layer = lib.nn.Linear(4, 3)
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return lib.nn.utils.weight_norm(layer, dim=dim)

    mine, theirs = make(minitorch), make(torch)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    compare_layers(mine, theirs, x(2, 4))
    before = mine(minitorch.ones(1, 4))
    mu.remove_weight_norm(mine)
    assert list(mine.state_dict()) == ["bias", "weight"]
    np.testing.assert_allclose(
        mine(minitorch.ones(1, 4)).detach().numpy(), before.detach().numpy(), rtol=1e-5
    )
    with pytest.raises(ValueError, match="not found"):
        mu.remove_weight_norm(mine)


def test_spectral_norm():
    minitorch.manual_seed(0)
    mine, theirs = mu.spectral_norm(mn.Conv2d(3, 4, 2)), tu.spectral_norm(tn.Conv2d(3, 4, 2))
    compare_layers(mine, theirs, x(2, 3, 5, 5))
    for _ in range(300):  # power iteration is slow where two singular values are close
        mine(minitorch.ones(1, 3, 4, 4))
    sigma = np.linalg.svd(mine.weight.detach().numpy().reshape(4, -1))[1].max()
    assert abs(sigma - 1) < 1e-3
    mu.remove_spectral_norm(mine)
    assert "weight" in mine._parameters and len(mine._forward_pre_hooks) == 0


class Symmetric(mn.Module):
    def forward(self, w):
        return w.triu() + w.triu(1).transpose(-1, -2)


def test_parametrization():
    from minitorch.nn.utils import parametrize

    layer = mn.Linear(3, 3)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert parametrize.is_parametrized(layer) and parametrize.is_parametrized(layer, "weight")
    assert (layer.weight == layer.weight.T).all()
    assert sorted(n for n, _ in layer.named_parameters()) == [
        "bias",
        "parametrizations.weight.original",
    ]
    layer(minitorch.ones(1, 3)).sum().backward()
    assert layer.parametrizations.weight.original.grad is not None
    assert "Symmetric" in repr(layer)
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert copy.deepcopy(layer).weight.shape == (3, 3)
    weight = layer.weight.detach().clone()
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is mn.Linear and (layer.weight == weight).all()
    with pytest.raises(ValueError, match="does not have a parameter"):
        parametrize.register_parametrization(layer, "nothing", Symmetric())


def test_weight_norm_parametrization():
    mine = mu.parametrizations.weight_norm(mn.Linear(4, 3))
    theirs = tu.parametrizations.weight_norm(tn.Linear(4, 3))
    assert sorted(mine.state_dict()) == sorted(theirs.state_dict())
    load_from_torch(mine, theirs)
    a = x(2, 4)
    close(mine(minitorch.from_numpy(a.copy())), theirs(torch.from_numpy(a.copy())))
    with minitorch.no_grad():
        mine.weight = minitorch.ones(3, 4)
    np.testing.assert_allclose(mine.weight.detach().numpy(), np.ones((3, 4)), rtol=1e-6)


def test_spectral_norm_parametrization():
    # Iterations enough for both to converge: how fast they do depends on the weight.
    torch.manual_seed(0)
    mine = mu.parametrizations.spectral_norm(mn.Linear(4, 3), n_power_iterations=100)
    theirs = tu.parametrizations.spectral_norm(tn.Linear(4, 3), n_power_iterations=100)
    load_from_torch(mine, theirs)
    a = x(2, 4)
    close(mine(minitorch.from_numpy(a.copy())), theirs(torch.from_numpy(a.copy())))


def test_fusion():
    conv, bn = mn.Conv2d(3, 4, 3), mn.BatchNorm2d(4)
    conv(minitorch.from_numpy(x(2, 3, 6, 6)))
    for _ in range(3):
        bn(conv(minitorch.from_numpy(x(2, 3, 6, 6))))
    conv.eval()
    bn.eval()
    a = minitorch.from_numpy(x(2, 3, 6, 6))
    fused = mu.fuse_conv_bn_eval(conv, bn)
    np.testing.assert_allclose(
        fused(a).detach().numpy(), bn(conv(a)).detach().numpy(), rtol=1e-4, atol=1e-5
    )
    with pytest.raises(AssertionError, match="eval"):
        mu.fuse_conv_bn_eval(conv.train(), bn)


def test_functional_call():
    from minitorch.nn.utils.stateless import functional_call

    net = mn.Sequential(mn.Linear(2, 2), mn.BatchNorm1d(2))
    w = minitorch.zeros(2, 2, requires_grad=True)
    old = net[0].weight
    out = functional_call(net[0], {"weight": w, "bias": minitorch.ones(2)}, minitorch.ones(3, 2))
    assert (out == 1).all()
    out.sum().backward()
    assert w.grad.tolist() == [[3, 3], [3, 3]]
    assert net[0].weight is old and old.grad is None
    with pytest.raises(RuntimeError, match="missing"):
        functional_call(net, {"0.weight": w}, minitorch.ones(3, 2), strict=True)


def test_skip_init():
    layer = mu.skip_init(mn.Linear, 3, 4)
    assert tuple(layer.weight.shape) == (4, 3)
    with pytest.raises(RuntimeError, match="Expected a Module"):
        mu.skip_init(int, 3)


def test_data_parallel_calls_its_module():
    net = mn.DataParallel(mn.Linear(2, 1))
    assert list(net.state_dict()) == ["module.weight", "module.bias"]
    assert net(minitorch.ones(3, 2)).shape == (3, 1)


def test_float_functional():
    f = mn.quantized.FloatFunctional()
    a = minitorch.tensor([1.0, -3.0])
    assert f.add(a, a).tolist() == [2, -6] and f.add_relu(a, a).tolist() == [2, 0]
    assert f.mul(a, a).tolist() == [1, 9] and f.add_scalar(a, 1).tolist() == [2, -2]
    assert f.mul_scalar(a, 2).tolist() == [2, -6] and f.matmul(a, a).item() == 10
    assert f.cat([a, a]).shape == (4,)
    with pytest.raises(RuntimeError, match="underlying operation"):
        f(a)
