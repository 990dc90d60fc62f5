"""Attention of 16-bit operands on tensor cores, beside the formula in float64.

Operands are exact; weights and results are rounded to 16 bits, sums are float32. An element may be
off by a few roundings of the largest of its kind: TOLERANCE times the largest of the tensor.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import minitorch
from tests.cuda.cuda_helpers import needs_gpu, numbers

pytestmark = needs_gpu
F = minitorch.nn.functional
ANY, MMA, WGMMA = range(3)
TOLERANCE = {"bfloat16": 2**-7, "float16": 2**-10}


def uniform(*shape, dtype, seed):
    x = np.random.default_rng(seed).uniform(-1, 1, shape)
    return minitorch.tensor(x).to(getattr(minitorch, dtype)).cuda()


def reference(q, k, v, dout, mask, causal, scale):
    """out, dq, dk, dv in float64; heads of q may share those of k and v."""
    q, k, v, dout = (numbers(x) for x in (q, k, v, dout))
    heads, group = k.shape[1], q.shape[1] // k.shape[1]
    k, v = (np.repeat(x, group, 1) for x in (k, v))
    scale = 1 / np.sqrt(q.shape[-1]) if scale is None else scale
    s = q @ k.swapaxes(-1, -2) * scale
    if mask is not None:
        mask = numbers(mask)
        s = np.where(mask, s, -np.inf) if mask.dtype == bool else s + mask
    if causal:
        s = np.where(np.tri(*s.shape[-2:], dtype=bool), s, -np.inf)
    top = s.max(-1, keepdims=True, initial=-np.inf)
    p = np.exp(s - np.where(np.isfinite(top), top, 0))
    total = p.sum(-1, keepdims=True)
    p /= np.where(total == 0, 1, total)
    dp = dout @ v.swapaxes(-1, -2)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) * scale

    def over_groups(x):
        return x.reshape(x.shape[0], heads, group, *x.shape[2:]).sum(2)

    dk, dv = (over_groups(x.swapaxes(-1, -2) @ y) for x, y in ((ds, q), (p, dout)))
    return p @ v, ds @ k, dk, dv


def run(q, k, v, dout, mask=None, causal=False, scale=None):
    tensors = [x.detach().requires_grad_() for x in (q, k, v)]
    mask = mask if mask is None else mask.cuda()
    out = F.scaled_dot_product_attention(
        *tensors, mask, is_causal=causal, scale=scale, enable_gqa=q.shape[1] != k.shape[1]
    )
    out.backward(dout)
    return [out.detach(), *(x.grad for x in tensors)]


def check(q, k, v, mask=None, causal=False, scale=None):
    name = str(q.dtype).split(".")[-1]
    dout = uniform(*q.shape[:-1], v.shape[-1], dtype=name, seed=9)
    want = reference(q, k, v, dout, mask, causal, scale)
    got, again = (run(q, k, v, dout, mask, causal, scale) for _ in range(2))
    for x, y, z in zip(want, got, again):
        assert y.dtype is q.dtype
        np.testing.assert_array_equal(numbers(y), numbers(z), err_msg="two runs differ")
        np.testing.assert_allclose(
            numbers(y), x, rtol=0, atol=TOLERANCE[name] * max(abs(x).max(initial=0), 1e-3)
        )
    return got


def operands(i, j, width, value_width=None, heads=1, kv_heads=None, batch=1, dtype="bfloat16"):
    return (
        uniform(batch, heads, i, width, dtype=dtype, seed=1),
        uniform(batch, kv_heads or heads, j, width, dtype=dtype, seed=2),
        uniform(batch, kv_heads or heads, j, value_width or width, dtype=dtype, seed=3),
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("i", "j", "width", "value_width"),
    [(70, 75, 64, 64), (75, 70, 32, 24), (67, 40, 72, 128), (35, 70, 256, 136), (1, 5, 8, 8)],
)
def test_against_the_formula(i, j, width, value_width, causal, dtype):
    check(*operands(i, j, width, value_width, dtype=dtype), causal=causal)


@pytest.fixture
def choose():
    """Sets which kernel runs, for the length of a test."""
    yield minitorch._C.attention_choose_kernel
    minitorch._C.attention_choose_kernel(ANY)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("i", "j", "width", "value_width"),
    [(70, 75, 64, 64), (200, 400, 32, 24), (130, 300, 128, 72), (5, 129, 8, 128)],
)
def test_wgmma(i, j, width, value_width, causal, dtype, choose):
    choose(WGMMA)
    check(*operands(i, j, width, value_width, dtype=dtype), causal=causal)


def test_wgmma_layouts(choose):
    q, k, v = operands(130, 200, 64)
    found = []
    for kernel in (MMA, WGMMA):
        choose(kernel)
        found.append(numbers(F.scaled_dot_product_attention(q, k, v)))
    assert (found[0] != found[1]).any(), "the same kernel: the two take keys in other steps"
    q, k, v = operands(150, 140, 64, heads=6, kv_heads=2, batch=2)
    check(*(x.transpose(1, 2).contiguous().transpose(1, 2) for x in (q, k, v)), causal=True)
    check(q[:, :2, ::2], k[:, :1].expand(2, 2, 140, 64), v)


@pytest.mark.parametrize("width", [64, 128])
def test_large_tiles(width, choose):
    """Tiles of 128 queries, which grids of fewer blocks than multiprocessors leave alone."""
    choose(MMA)
    q, k, v = operands(65, 50, width, heads=1)
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    many = [x.expand(132, 1, *x.shape[2:]) for x in (q, k, v)]
    tall = F.scaled_dot_product_attention(*many, is_causal=True)
    np.testing.assert_allclose(numbers(tall[131, 0]), numbers(out[0, 0]), atol=2**-7)


@pytest.mark.parametrize("kind", ["bool", "float32", "same", "broadcast", "transposed"])
def test_masks(kind):
    rng = np.random.default_rng(0)
    q, k, v = operands(70, 66, 16, heads=2, batch=2)
    if kind in ("bool", "broadcast"):
        mask = rng.random((2, 2, 70, 66) if kind == "bool" else (2, 1, 1, 66)) > 0.4
        if kind == "bool":
            mask[1, 0, 3] = False
        mask = minitorch.tensor(mask)
    else:
        shape = (2, 66, 70) if kind == "transposed" else (70, 66)
        mask = minitorch.tensor(rng.uniform(-2, 2, shape)).to(
            minitorch.bfloat16 if kind == "same" else minitorch.float32
        )
        mask = mask.transpose(-1, -2) if kind == "transposed" else mask
    got = check(q, k, v, mask)
    if kind == "bool":
        assert not got[0][1, 0, 3].any()
        assert not got[1][1, 0, 3].any()


@pytest.mark.parametrize("least", [-1e9, -3.4e38, -float("inf")])
def test_rows_of_the_least_numbers(least):
    """Finite gradients where masks that are added hide every key of a query."""
    q, k, v = operands(20, 40, 16)
    mask = minitorch.zeros(20, 40)
    mask[3:5] = least
    mask[6, 10:] = least
    dout = uniform(1, 1, 20, 16, dtype="bfloat16", seed=9)
    got = run(q, k, v, dout, mask)
    assert all(x.isfinite().all() for x in got)
    alone = run(q[:, :, 6:7], k[:, :, :10], v[:, :, :10], dout[:, :, 6:7])
    np.testing.assert_allclose(numbers(got[0][0, 0, 6]), numbers(alone[0][0, 0, 0]), atol=2**-8)
    np.testing.assert_allclose(numbers(got[1][0, 0, 6]), numbers(alone[1][0, 0, 0]), atol=2**-8)


@pytest.mark.parametrize("scale", [-0.5, 0.0, 2.0])
def test_scales(scale):
    check(*operands(20, 40, 32), scale=scale)


@pytest.mark.parametrize("causal", [False, True])
def test_heads_share_keys_and_values(causal):
    check(*operands(40, 50, 32, heads=6, kv_heads=2, batch=2), causal=causal)


def test_layouts():
    """Heads inside of rows, rows that are no multiples of 16 bytes apart, an odd offset."""
    q, k, v = (
        x.transpose(1, 2).contiguous().transpose(1, 2) for x in operands(33, 40, 24, heads=2)
    )
    out = check(q, k, v)[0]
    assert out.transpose(1, 2).is_contiguous()
    wide = uniform(1, 2, 40, 75, dtype="bfloat16", seed=4)
    check(wide[..., 1:25], wide[..., 25:49], wide[..., 51:75])
    check(q[:, :, ::2], k[:, :1].expand(1, 2, 40, 24), v[:, :1].expand(1, 2, 40, 24))


@pytest.mark.parametrize("heads", [(1, 1), (8, 2)])
def test_few_queries_of_many_keys(heads):
    """The keys are cut into parts; heads that share keys become rows of one tile."""
    many, few = heads
    q, k, v = operands(1, 700, 16, 24, heads=many, kv_heads=few)
    check(q, k, v)
    mask = minitorch.ones(many, 1, 700, dtype=minitorch.bool)
    mask[0, :, 100:] = False
    mask[-1] = False
    check(q, k, v, mask)
    check(q, k, v, minitorch.cos(minitorch.arange(700.0)))
    check(*operands(3, 600, 16), causal=True)


def test_nothing_to_see():
    q, k, v = operands(5, 1, 8)
    out, dq, dk, dv = run(q, k[:, :, :0], v[:, :, :0], q)
    assert not out.any()
    assert not dq.any()
    assert dk.shape[2] == dv.shape[2] == 0
    assert run(q[:, :, :0], k, v, q[:, :, :0])[3].tolist() == [[[[0.0] * 8]]]


@pytest.mark.parametrize("width", [16, 128])
@pytest.mark.parametrize("kernel", [MMA, WGMMA])
def test_large_scores_and_nan(width, kernel, choose):
    """Scores of hundreds, some of which grow along the keys and move the maximum often."""
    choose(kernel)
    q, k, v = operands(40, 140, width, dtype="float16")
    ramp = minitorch.arange(140.0).reshape(140, 1).cuda().half() / 16
    for k_, causal in ((k * 10, True), (k.abs() * ramp, False)):
        q_ = q * 100 if causal else q.abs() * 4
        want = reference(q_, k_, v, q[..., : v.shape[-1]], None, causal, None)[0]
        got = F.scaled_dot_product_attention(q_, k_, v, is_causal=causal)
        np.testing.assert_allclose(numbers(got), want, rtol=0, atol=TOLERANCE["float16"])
    k[0, 0, 20, 3] = float("nan")
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert out.isnan().any(-1).flatten().tolist() == [False] * 20 + [True] * 20


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("i", "j", "width"), [(70, 66, 64), (40, 128, 32), (1, 600, 16)])
def test_dropout(i, j, width, causal):
    """The weights that the materialised path drops, forward and backward."""
    q, k, v = operands(i, j, width, heads=4, kv_heads=2)
    dout = uniform(1, 4, i, width, dtype="bfloat16", seed=9)
    p = 0.25
    minitorch.cuda.manual_seed(5)
    keep = F.dropout(minitorch.ones(1, 4, i, j).cuda(), p)
    after = minitorch.rand(1, device="cuda").item()

    # In float32 through the matrix of weights, whose gradients autograd knows.
    a, b, c = (x.detach().float().requires_grad_() for x in (q, k, v))
    b_, c_ = (x.repeat_interleave(2, 1) for x in (b, c))
    scores = a @ b_.transpose(-1, -2) / width**0.5
    if causal:
        hidden = minitorch.ones(i, j, dtype=minitorch.bool).tril().logical_not().cuda()
        scores = scores.masked_fill(hidden, -float("inf"))
    want = (scores.softmax(-1) * keep) @ c_
    want.backward(dout.float())

    found = []
    for _ in range(2):
        minitorch.cuda.manual_seed(5)
        x, y, z = (t.detach().requires_grad_() for t in (q, k, v))
        out = F.scaled_dot_product_attention(
            x, y, z, dropout_p=p, is_causal=causal, enable_gqa=True
        )
        assert minitorch.rand(1, device="cuda").item() == after
        out.backward(dout)
        found.append([numbers(t) for t in (out, x.grad, y.grad, z.grad)])
    for x, y, t in zip(*found, (want, a.grad, b.grad, c.grad)):
        np.testing.assert_array_equal(x, y)
        t = numbers(t)
        np.testing.assert_allclose(x, t, rtol=0, atol=2**-6 * max(abs(t).max(), 0.2))


def test_dropout_of_everything_and_bad_probabilities():
    q, k, v = operands(5, 7, 8)
    assert not F.scaled_dot_product_attention(q, k, v, dropout_p=1.0).any()
    with pytest.raises(ValueError, match="between 0 and 1"):
        F.scaled_dot_product_attention(q, k, v, dropout_p=1.5)


def test_other_widths_and_autocast():
    q, k, v = operands(9, 11, 20)
    check(q, k, v)
    q, k, v = (x.float() for x in operands(9, 11, 16))
    with minitorch.autocast("cuda", dtype=minitorch.bfloat16):
        out = F.scaled_dot_product_attention(q, k, v)
    assert out.dtype is minitorch.bfloat16


PROGRAM = """
import sys, minitorch
from tests.cuda.test_attention_mma import operands, run
data = b""
for i, j, width, kernel in ((70, 100, 64, 1), (1, 600, 8, 1), (130, 300, 64, 2)):
    minitorch._C.attention_choose_kernel(kernel)
    q, k, v = operands(i, j, width, heads=2, kv_heads=1)
    for x in run(q, k, v, q.flip(-1), causal=i > 1):
        data += x.float().cpu().numpy().tobytes()
import hashlib
print(hashlib.sha256(data).hexdigest())
"""


@pytest.mark.skipif(
    "Emulated" not in minitorch.cuda.get_device_name(0) if minitorch.cuda.is_available() else True,
    reason="needs the emulator",
)
def test_same_bits_under_every_schedule():
    """Whenever copies arrive and in whatever order threads run."""
    found = set()
    for schedule, arrival in (("forward", "early"), ("reverse", "late"), ("random:1", "late")):
        environment = dict(
            os.environ,
            MINITORCH_EMULATOR_SCHEDULE=schedule,
            MINITORCH_EMULATOR_ASYNC=arrival,
        )
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1
