"""Layers that keep images channels_last: the values, gradients and layout, on every device."""

import pytest

import minitorch as mt
import minitorch.nn.functional as F

DEVICES = ["cpu"] + ["cuda"] * mt.cuda.is_available()


def norm_train(m, x, w, b):
    return m.batch_norm(x, None, None, w, b, training=True)


def norm_eval(m, x, w, b):
    mean, var = w.detach() * 0.5, b.detach() ** 2 + 0.5
    return m.batch_norm(x, mean, var, w, b)


LAYERS = {
    "batch_norm train": norm_train,
    "batch_norm eval": norm_eval,
    "max_pool": lambda m, x, w, b: m.max_pool2d(x, 3, 2, 1),
    "max_pool overlapping, dilated": lambda m, x, w, b: m.max_pool2d(x, 2, 1, 1, 2),
    "max_pool, ceil": lambda m, x, w, b: m.max_pool2d(x, 2, ceil_mode=True),
    "avg_pool": lambda m, x, w, b: m.avg_pool2d(x, 3, 2, 1),
    "avg_pool, counted": lambda m, x, w, b: m.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
    "adaptive_avg_pool": lambda m, x, w, b: m.adaptive_avg_pool2d(x, (3, 2)),
    "global average": lambda m, x, w, b: m.adaptive_avg_pool2d(x, 1),
    "adaptive_max_pool": lambda m, x, w, b: m.adaptive_max_pool2d(x, 3),
    "relu": lambda m, x, w, b: m.relu(x),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("shape", [(2, 5, 7, 6), (3, 32, 5, 5), (2, 72, 4, 9)])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("device", DEVICES)
def test_same_values_and_layout_as_contiguous(device, layer, shape, dtype):
    mt.manual_seed(0)
    kind = getattr(mt, dtype)
    data = mt.randn(*shape).to(kind)
    w, b = mt.rand(shape[1]) + 0.5, mt.randn(shape[1])
    results = []
    for layout in (mt.contiguous_format, mt.channels_last):
        x = data.clone().to(device).contiguous(memory_format=layout).requires_grad_()
        parameters = [p.clone().to(device).to(kind).requires_grad_() for p in (w, b)]
        y = LAYERS[layer](F, x, *parameters)
        # Quarters, so that a 16-bit sum of them has no rounding of its own.
        dy = mt.randint(-4, 5, tuple(y.shape), generator=mt.Generator().manual_seed(1)).to(kind) / 4
        y.backward(dy.to(device).contiguous(memory_format=layout))
        if layout is mt.channels_last:
            assert y.is_contiguous(memory_format=mt.channels_last), y.stride()
            assert x.grad.is_contiguous(memory_format=mt.channels_last), x.grad.stride()
        grads = [x.grad] + [p.grad for p in parameters if p.grad is not None]
        results.append([t.detach().cpu().double().contiguous() for t in (y, *grads)])
    tolerance = {"float64": 1e-12, "float32": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}[dtype]
    for one, other in zip(*results):
        scale = max(1.0, one.abs().max().item())
        assert (one - other).abs().max().item() <= tolerance * scale


@pytest.mark.parametrize("device", DEVICES)
def test_batch_norm_of_volumes_channels_last(device):
    mt.manual_seed(0)
    x = mt.randn(2, 3, 4, 5, 6, device=device)
    last = x.permute(0, 2, 3, 4, 1).contiguous().permute(0, 4, 1, 2, 3)
    y, z = (F.batch_norm(t, None, None, training=True) for t in (x, last))
    assert z.stride() == last.stride()
    assert (y - z).abs().max().item() < 1e-5


@pytest.mark.parametrize("device", DEVICES)
def test_running_statistics_do_not_depend_on_the_layout(device):
    mt.manual_seed(0)
    x = mt.randn(4, 6, 5, 3, device=device)
    norms = [mt.nn.BatchNorm2d(6).to(device) for _ in range(2)]
    norms[0](x), norms[1](x.contiguous(memory_format=mt.channels_last))
    for name in ("running_mean", "running_var"):
        a, b = (getattr(n, name) for n in norms)
        assert (a - b).abs().max().item() < 1e-6


LIKES = {
    "zeros_like": lambda m, x: m.zeros_like(x),
    "ones_like": lambda m, x: m.ones_like(x, dtype=m.int64),
    "empty_like": lambda m, x: m.empty_like(x),
    "full_like": lambda m, x: m.full_like(x, 3.0),
    "contiguous_format": lambda m, x: m.zeros_like(x, memory_format=m.contiguous_format),
    "channels_last": lambda m, x: m.zeros_like(
        x.contiguous(), memory_format=m.channels_last
    ),
    "clone": lambda m, x: x.clone(),
    "to dtype": lambda m, x: x.to(m.float64),
    "gradient": lambda m, x: m.autograd.grad(m.tanh(x.requires_grad_()).sum(), x)[0],
}  # fmt: skip


@pytest.mark.parametrize("name", LIKES)
@pytest.mark.parametrize("order", [(0, 2, 3, 1), (1, 0, 2, 3), (3, 2, 1, 0)])
def test_results_keep_the_order_of_dims(name, order):
    torch = pytest.importorskip("torch")
    strides = []
    for m in (mt, torch):
        inverse = [order.index(i) for i in range(4)]
        x = m.rand(2, 5, 3, 4).permute(*order).contiguous().permute(*inverse)
        strides.append(tuple(LIKES[name](m, x).stride()))
    if name == "gradient":  # of a sum: PyTorch's expanded gradient decides there
        assert strides[0] == tuple(
            mt.rand(2, 5, 3, 4).permute(*order).contiguous().permute(*inverse).stride()
        )
    else:
        assert strides[0] == strides[1]


@pytest.mark.skipif(not mt.cuda.is_available(), reason="no GPU")
def test_moves_between_devices_keep_the_layout():
    x = mt.randn(2, 5, 3, 4).contiguous(memory_format=mt.channels_last)
    y = x.cuda()
    assert y.stride() == x.stride()
    assert y.cpu().stride() == x.stride()
    assert mt.equal(y.cpu(), x)
    assert mt.equal(x[:, 1:].cuda().cpu(), x[:, 1:])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("device", DEVICES)
def test_a_volume_without_batch_is_no_batch_of_images(device, dtype):
    """[c, d, h, w] whose memory order is that of channels_last images."""
    kind = getattr(mt, dtype)
    mt.manual_seed(0)
    x, w = mt.randint(-2, 3, (8, 5, 6, 7)).to(kind), mt.randint(-1, 2, (8, 8, 3, 3, 3)).to(kind)
    data = [t.to(device) for t in (x, x.contiguous(memory_format=mt.channels_last))]
    results = []
    for t in data:
        t = t.clone().requires_grad_()
        y = F.conv3d(t, w.to(device))
        y.backward(mt.ones_like(y))
        pooled = F.max_pool3d(t, 2)
        results.append([r.detach().cpu() for r in (y, t.grad, pooled)])
    for one, other in zip(*results):
        assert mt.equal(one, other)
