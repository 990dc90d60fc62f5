"""Elementwise kernels beyond the ops' cases: sizes around the vectors, mixed dtypes, odd layouts."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch as m

pytestmark = pytest.mark.skipif(not m.cuda.is_available(), reason="no GPU, real or emulated")

ALL = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
]


def random(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    t = m.tensor(rng.uniform(0, 9, shape))
    return t.to(getattr(m, dtype))


def numbers(t):
    return t.detach().cpu().double().numpy()


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 1023, 1024, 1028, 4100])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
def test_sizes(n, dtype):
    x, y = random((n,), dtype), random((n,), dtype, 1)
    np.testing.assert_array_equal(numbers(x.cuda() + y.cuda()), numbers(x + y))
    np.testing.assert_array_equal(numbers(x.cuda() * 3), numbers(x * 3))
    np.testing.assert_array_equal(numbers(x.cuda() < y.cuda()), numbers(x < y))
    np.testing.assert_array_equal(
        numbers(m.where(x.cuda() < y.cuda(), x.cuda(), y.cuda())), numbers(m.minimum(x, y))
    )


@pytest.mark.parametrize("offset", [1, 2, 3])
def test_unaligned_memory(offset):
    x = random((1000,), "float32")
    on_gpu = x.cuda()
    a, b = x[offset : offset + 512], on_gpu[offset : offset + 512]
    np.testing.assert_array_equal(numbers(b + b), numbers(a + a))
    b.mul_(2)
    a.mul_(2)
    np.testing.assert_array_equal(numbers(on_gpu), numbers(x))


@pytest.mark.parametrize("a", ALL)
@pytest.mark.parametrize("b", ALL)
def test_mixed_dtypes(a, b):
    x, y = random((7, 5), a), random((5,), b, 1)
    for f in (m.add, m.mul, m.maximum, m.eq, m.lt, lambda p, q: m.where(p > 2, p, q)):
        want = f(x, y)
        got = f(x.cuda(), y.cuda())
        assert got.dtype is want.dtype
        np.testing.assert_allclose(numbers(got), numbers(want), rtol=1e-6)


@pytest.mark.parametrize("to", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("other", ["float16", "bfloat16", "float32", "float64", "int64", "bool"])
@pytest.mark.parametrize("transposed", [False, True])
def test_in_place_into_another_dtype(to, other, transposed):
    results = []
    for device in "cpu", "cuda":
        z, y = random((6, 8), to).to(device), random((6, 8), other, 1).to(device)
        if transposed:
            z, y = z.t(), y.t()
        z.add_(y)
        z.mul_(y)
        results.append(numbers(z))
    np.testing.assert_array_equal(*results)


def test_zero_dim_cpu_operand_counts_as_a_number():
    x = random((5,), "float32")
    np.testing.assert_array_equal(numbers(x.cuda() * m.tensor(2.5)), numbers(x * 2.5))


@pytest.mark.parametrize("power", [0, 1, 2, 3, 4, 0.5, -0.5, -1, -2, 2.5])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64"])
def test_powers(power, dtype):
    if dtype == "int64" and (power < 0):
        pytest.skip("refused for integers")
    x = random((33,), dtype) + 1
    rtol = {"bfloat16": 1e-2, "float64": 1e-12}.get(dtype, 1e-6)
    np.testing.assert_allclose(numbers(x.cuda() ** power), numbers(x**power), rtol=rtol)


def test_integer_division_by_zero():
    x, y = m.tensor([7, -7, 0], device="cuda"), m.zeros(3, dtype=m.int64, device="cuda")
    assert (x // y).tolist() == [0, 0, 0]
    assert (x % y).tolist() == [7, -7, 0]
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        x // 0


def test_broadcasting_over_many_dims():
    x, y = random((2, 1, 3, 1, 4, 1, 5), "float32"), random((1, 3, 1, 2, 1, 2, 1), "float32", 1)
    np.testing.assert_array_equal(numbers(x.cuda() - y.cuda()), numbers(x - y))


def test_overlapping_in_place():
    results = []
    for device in "cpu", "cuda":
        x = random((100,), "float32").to(device)
        x[1:].add_(x[:-1])
        results.append(numbers(x))
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "float16"])
def test_masks_of_many_chunks(dtype):
    rng = np.random.default_rng(0)
    for n, share in (1, 1.0), (4096, 0.0), (4096, 1.0), (4097, 0.5), (20000, 0.01), (20000, 0.9):
        x, mask = random((n,), dtype), m.tensor(rng.random(n) < share)
        a, b = x.cuda(), mask.cuda()
        np.testing.assert_array_equal(numbers(a[b]), numbers(x[mask]))
        np.testing.assert_array_equal(b.nonzero().cpu().numpy(), mask.nonzero().numpy())
        np.testing.assert_array_equal(numbers(a.masked_fill(b, 3)), numbers(x.masked_fill(mask, 3)))
        source = random((n,), dtype, 1)
        np.testing.assert_array_equal(
            numbers(a.masked_scatter(b, source.cuda())), numbers(x.masked_scatter(mask, source))
        )


def test_places_in_many_dims():
    mask = m.tensor(np.random.default_rng(0).random((3, 17, 5, 23)) < 0.2)
    np.testing.assert_array_equal(mask.cuda().nonzero().cpu().numpy(), mask.nonzero().numpy())
    for a, b in zip(mask.cuda().nonzero(as_tuple=True), mask.nonzero(as_tuple=True)):
        np.testing.assert_array_equal(a.cpu().numpy(), b.numpy())


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_joining_many_and_uneven_tensors(dtype, dim):
    parts = []
    for i in range(120):
        shape = [3, 4, 5]
        shape[dim] = i % 4
        parts.append(random(tuple(shape), dtype, i))
    want = m.cat(parts, dim)
    np.testing.assert_array_equal(numbers(m.cat([p.cuda() for p in parts], dim)), numbers(want))


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("pad", [(2, 3), (-1, 2), (3, -2), (2, 1, 3, 0), (1, -1, -2, 2)])
def test_padding_and_its_gradient(mode, pad):
    results = []
    for device in "cpu", "cuda":
        x = random((2, 3, 6, 7), "float64").to(device).requires_grad_()
        if len(pad) == 2:
            y = m.nn.functional.pad(x[0], pad, mode)
        else:
            y = m.nn.functional.pad(x, pad, mode)
        (y * random(tuple(y.shape), "float64", 1).to(device)).sum().backward()
        results.append((numbers(y), numbers(x.grad)))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-12)


def test_repeat_interleave():
    times = m.tensor(np.random.default_rng(0).integers(0, 5, 500))
    places = m.repeat_interleave(times.cuda())
    np.testing.assert_array_equal(places.cpu().numpy(), m.repeat_interleave(times).numpy())
    with pytest.raises(RuntimeError, match="negative"):
        m.repeat_interleave(m.tensor([1, -1], device="cuda"))


def test_probabilities_of_binary_cross_entropy_are_checked():
    x = m.tensor([0.5, 1.5], device="cuda")
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        m.nn.functional.binary_cross_entropy(x, m.ones(2, device="cuda"))
        m.cuda.synchronize()  # at the latest


@pytest.mark.parametrize("n", [1, 255, 2048, 2049, 100003])
def test_losses_of_many_blocks(n):
    x, t = random((n,), "float32"), random((n,), "float32", 1)
    for reduction in "mean", "sum":
        want = m.nn.functional.mse_loss(x, t, reduction=reduction)
        got = m.nn.functional.mse_loss(x.cuda(), t.cuda(), reduction=reduction)
        np.testing.assert_allclose(numbers(got), numbers(want), rtol=1e-6)
        again = m.nn.functional.mse_loss(x.cuda(), t.cuda(), reduction=reduction)
        assert got.item() == again.item()


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize(("a", "b", "n"), [(33, 65, 70), (1, 1, 1), (32, 32, 32), (5, 40, 3)])
def test_distances(p, a, b, n):
    results = []
    for device in "cpu", "cuda":
        x = random((2, a, n), "float64").to(device).requires_grad_()
        y = random((2, b, n), "float64", 1).to(device).requires_grad_()
        d = m.cdist(x, y, p, compute_mode="donot_use_mm_for_euclid_dist")
        d.sum().backward()
        results.append((numbers(d), numbers(x.grad), numbers(y.grad)))
    for got, want in zip(results[1], results[0]):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


def test_capture_in_a_graph():
    f = m.nn.functional

    def step(x):
        y = f.interpolate(x, scale_factor=2, mode="bilinear")
        y = f.pad(y, (1, 1, 1, 1), mode="reflect")
        y = m.where(y > 0.5, y, y * 2).masked_fill(y < 0.1, 0)
        y = m.cat([y, f.gelu(y)], 1).flip(-1).tril()
        u = f.unfold(y, 3)
        return f.mse_loss(u, u * 0.5)

    x = random((2, 3, 8, 8), "float32").cuda()
    step(x)  # makes what is kept between calls
    graph = m.cuda.CUDAGraph()
    with m.cuda.graph(graph):
        out = step(x)
    x.copy_(random((2, 3, 8, 8), "float32", 1))
    graph.replay()
    assert out.item() == step(x).item()
