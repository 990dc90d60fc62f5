"""Autocast: result dtypes and values against torch.amp on the CPU; the GPU's lists where there is one."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import minitorch
from minitorch.amp import autocast, custom_bwd, custom_fwd

torch = pytest.importorskip("torch")
gpu = pytest.mark.skipif(not minitorch.cuda.is_available(), reason="no GPU, real or emulated")


def name(dtype):
    return str(dtype).split(".")[-1]


def data(m, *shape, seed=0):
    return m.tensor(np.random.default_rng(seed).uniform(0.1, 0.9, shape).astype(np.float32))


OPS = {
    "matmul": lambda m, x, w: x @ w,
    "mm": lambda m, x, w: m.mm(x, w),
    "bmm": lambda m, x, w: m.bmm(x[None], w[None]),
    "addmm": lambda m, x, w: m.addmm(w, x, w),
    "baddbmm": lambda m, x, w: m.baddbmm(w[None], x[None], w[None]),
    "linear": lambda m, x, w: m.nn.functional.linear(x, w, w[0]),
    "conv1d": lambda m, x, w: m.nn.functional.conv1d(x[None], w[:, :, None]),
    "conv2d": lambda m, x, w: m.nn.functional.conv2d(x[None, :, :, None], w[:, :, None, None]),
    "conv_transpose1d": lambda m, x, w: m.nn.functional.conv_transpose1d(x[None], w[:, :, None]),
    "attention": lambda m, x, w: m.nn.functional.scaled_dot_product_attention(
        x[None, None], w[None, None], w[None, None]
    ),
    "exp": lambda m, x, w: m.exp(x),
    "add": lambda m, x, w: x + w,
    "relu": lambda m, x, w: m.relu(x),
    "softmax": lambda m, x, w: m.softmax(x, -1),
    "sum": lambda m, x, w: x.sum(),
    "prod": lambda m, x, w: x.prod(),
    "layer_norm": lambda m, x, w: m.nn.functional.layer_norm(x, (4,)),
    "mse_loss": lambda m, x, w: m.nn.functional.mse_loss(x, w),
    "l1_loss": lambda m, x, w: m.nn.functional.l1_loss(x, w),
    "cross_entropy": lambda m, x, w: m.nn.functional.cross_entropy(x, m.tensor([0, 1, 2, 3])),
    "binary_cross_entropy": lambda m, x, w: m.nn.functional.binary_cross_entropy(x, w),
    "cdist": lambda m, x, w: m.cdist(x, w),
    "cat": lambda m, x, w: m.cat([x, w.to(m.bfloat16)]),
    "pow": lambda m, x, w: x**2,
}


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("given", ["float32", "bfloat16", "float64"])
def test_cpu_dtypes_and_values(op, given):
    results = []
    for m in minitorch, torch:
        x, w = (data(m, 4, 4, seed=s).to(getattr(m, given)) for s in (0, 1))
        try:
            with m.autocast("cpu", dtype=m.bfloat16):
                y = OPS[op](m, x, w)
        except RuntimeError as error:
            results.append(type(error))
            continue
        results.append((name(y.dtype), y.double().numpy()))
    ours, theirs = results
    if theirs is RuntimeError:
        pytest.skip("PyTorch refuses this mixture")
    assert ours is not RuntimeError
    assert ours[0] == theirs[0]
    np.testing.assert_allclose(ours[1], theirs[1], rtol=3e-2, atol=1e-2)


CUDA_DTYPES = {
    "float16": "matmul mm bmm addmm baddbmm linear conv1d conv2d conv_transpose1d attention",
    "float32": "exp softmax sum prod layer_norm mse_loss l1_loss cross_entropy cdist pow",
}


@gpu
@pytest.mark.parametrize(
    ("want", "op"), [(want, op) for want, ops in CUDA_DTYPES.items() for op in ops.split()]
)
def test_cuda_dtypes(want, op):
    given = minitorch.float32 if want == "float16" else minitorch.float16
    x, w = (data(minitorch, 4, 4, seed=s).cuda().to(given) for s in (0, 1))
    target = minitorch.tensor([0, 1, 2, 3]).cuda()

    class OnGpu:
        def __getattr__(self, attribute):
            if attribute == "tensor":
                return lambda values: target
            return getattr(minitorch, attribute)

    try:
        with autocast("cuda"):
            y = OPS[op](OnGpu(), x, w)
    except NotImplementedError as error:
        pytest.skip(str(error))
    assert name(y.dtype) == want
    assert y.is_cuda


@gpu
def test_cuda_refuses_binary_cross_entropy():
    x = data(minitorch, 4).cuda()
    with autocast("cuda"), pytest.raises(RuntimeError, match="unsafe to autocast"):
        minitorch.nn.functional.binary_cross_entropy(x, x)


def test_other_device_is_left_alone():
    x = data(minitorch, 4, 4)
    with autocast("cuda", dtype=minitorch.bfloat16):
        assert (x @ x).dtype is minitorch.float32


def test_gradients_have_the_parameters_dtype():
    results = []
    for m in minitorch, torch:
        layers = m.nn.Sequential(m.nn.Linear(8, 16), m.nn.ReLU(), m.nn.Linear(16, 3))
        with m.no_grad():
            for i, p in enumerate(layers.parameters()):
                p.copy_(data(m, *p.shape, seed=i) - 0.5)
        with m.autocast("cpu", dtype=m.bfloat16):
            out = layers(data(m, 5, 8, seed=9))
            loss = m.nn.functional.mse_loss(out, data(m, 5, 3, seed=10))
        assert name(out.dtype) == "bfloat16" and name(loss.dtype) == "float32"
        loss.backward()
        grads = [p.grad for p in layers.parameters()]
        assert all(name(g.dtype) == "float32" for g in grads)
        results.append([g.numpy() for g in grads])
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=5e-2, atol=5e-3)


def test_a_parameter_is_converted_once_per_context():
    w = data(minitorch, 4, 4).requires_grad_()
    x = data(minitorch, 2, 4, seed=1)
    seen = minitorch.amp.autocast_mode._state.cache
    with autocast("cpu"):
        y = x @ w
        copy = seen[id(w)][2]
        z = x @ w
        assert seen[id(w)][2] is copy
    assert not seen
    (y.sum() + z.sum()).backward()
    once = w.grad.clone()
    w.grad = None
    with autocast("cpu", cache_enabled=False):
        y = x @ w
        assert not seen
    y.sum().backward()
    np.testing.assert_allclose(once.numpy(), 2 * w.grad.numpy(), rtol=1e-2)


def test_a_changed_parameter_is_converted_again():
    w = minitorch.zeros(2, 2, requires_grad=True)
    x = minitorch.ones(1, 2)
    with autocast("cpu"):
        assert (x @ w).sum().item() == 0
        with minitorch.no_grad():
            w.fill_(1.0)
        assert (x @ w).sum().item() == 4


def test_nesting_enabled_and_decorator():
    x = data(minitorch, 4, 4)
    with autocast("cpu"):
        assert minitorch.is_autocast_enabled("cpu")
        with autocast("cpu", enabled=False):
            assert not minitorch.is_autocast_enabled("cpu")
            assert (x @ x).dtype is minitorch.float32
        assert (x @ x).dtype is minitorch.bfloat16
        with autocast("cpu", dtype=minitorch.float16):
            assert minitorch.get_autocast_dtype("cpu") is minitorch.float16
            assert (x @ x).dtype is minitorch.float16
        assert minitorch.get_autocast_dtype("cpu") is minitorch.bfloat16
    assert (x @ x).dtype is minitorch.float32

    @autocast("cpu")
    def product(a):
        return a @ a

    assert product(x).dtype is minitorch.bfloat16
    assert not minitorch.is_autocast_enabled("cpu")


def test_the_state_is_put_back_after_an_error():
    with pytest.raises(KeyError), autocast("cpu"):
        raise KeyError
    assert not minitorch.is_autocast_enabled("cpu")
    assert minitorch._autocast.enabled == 0


def test_threads_have_their_own_state():
    seen = []
    with autocast("cpu"):
        thread = threading.Thread(
            target=lambda: seen.append((data(minitorch, 2, 2) @ data(minitorch, 2, 2)).dtype)
        )
        thread.start()
        thread.join()
    assert seen == [minitorch.float32]


def test_arguments():
    with pytest.raises(ValueError, match="device_type"):
        autocast(0)
    with pytest.raises(RuntimeError, match="unsupported autocast device_type"):
        autocast("tpu")
    with pytest.warns(UserWarning, match="not supported"):
        context = autocast("cpu", dtype=minitorch.float32)
    with context:
        assert not minitorch.is_autocast_enabled("cpu")


def test_custom_function():
    states = []

    class Product(minitorch.autograd.Function):
        @staticmethod
        @custom_fwd(device_type="cpu")
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a.mm(b)

        @staticmethod
        @custom_bwd(device_type="cpu")
        def backward(ctx, grad):
            a, b = ctx.saved_tensors
            states.append(minitorch.is_autocast_enabled("cpu"))
            return grad.mm(b.t()), a.t().mm(grad)

    class InFloat32(Product):
        @staticmethod
        @custom_fwd(device_type="cpu", cast_inputs=minitorch.float32)
        def forward(ctx, a, b):
            states.append(minitorch.is_autocast_enabled("cpu"))
            ctx.save_for_backward(a, b)
            return a.mm(b)

    a = data(minitorch, 3, 3).requires_grad_()
    with autocast("cpu"):
        y = Product.apply(a, a)
    assert y.dtype is minitorch.bfloat16
    y.float().sum().backward()
    assert states == [True]
    states.clear()
    with autocast("cpu"):
        y = InFloat32.apply(a.bfloat16(), a.bfloat16())
    assert y.dtype is minitorch.float32
    y.sum().backward()
    assert states == [False, False]


def networks(m):
    """Small networks of each kind of layer, with the shape of their input."""
    n = m.nn
    yield (
        n.Sequential(n.Conv2d(3, 4, 3), n.BatchNorm2d(4), n.ReLU(), n.Conv2d(4, 2, 1)),
        (2, 3, 8, 8),
    )
    yield n.Sequential(n.Linear(8, 6), n.BatchNorm1d(6), n.GELU(), n.Linear(6, 2)), (4, 8)
    yield n.Sequential(n.Conv2d(3, 4, 3), n.GroupNorm(2, 4), n.SiLU()), (2, 3, 8, 8)
    yield n.Sequential(n.Linear(8, 6), n.LayerNorm(6), n.PReLU(), n.Softmax(-1)), (4, 8)
    yield n.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), (2, 5, 8)
    yield n.LSTM(8, 6, batch_first=True), (2, 5, 8)


def results(m, net, shape, device="cpu"):
    with m.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(data(m, *p.shape, seed=i) - 0.5)
    net = net.to(device)
    with m.autocast(device, dtype=m.bfloat16):
        y = net(data(m, *shape, seed=99).to(device))
    y = y[0] if isinstance(y, tuple) else y
    (y.float() ** 2).sum().backward()
    tensors = (y.detach(), *(p.grad for p in net.parameters()))
    return [t.float().cpu().numpy() for t in tensors]


@pytest.mark.parametrize("which", range(6))
def test_networks(which):
    ours, theirs = (results(m, *list(networks(m))[which]) for m in (minitorch, torch))
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, rtol=5e-2, atol=2e-2 * max(1e-3, abs(b).max()))


@gpu
@pytest.mark.parametrize("which", range(6))
def test_networks_on_a_gpu(which):
    net, shape = list(networks(minitorch))[which]
    try:
        got = results(minitorch, net, shape, "cuda")
    except NotImplementedError as error:
        pytest.skip(str(error))
    want = results(torch, *list(networks(torch))[which])
    for a, b in zip(got, want):
        np.testing.assert_allclose(a, b, rtol=5e-2, atol=4e-2 * max(1e-3, abs(b).max()))
