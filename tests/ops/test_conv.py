"""Convolutions against torch: every way the kernels choose (rows, patches, Winograd, depthwise)."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

LOOSE = {"float32": (1e-4, 1e-4), "bfloat16": (4e-2, 1.5e-1)}


def conv(nd, *args, **kwargs):
    return lambda m, x, w, *b: getattr(m.nn.functional, f"conv{nd}d")(
        x, w, *(b or (None,)), *args, **kwargs
    )


def transposed(nd, **kwargs):
    return lambda m, x, w, *b: getattr(m.nn.functional, f"conv_transpose{nd}d")(x, w, *b, **kwargs)


def case(name, f, *shapes, **kwargs):
    return Case(name, f, shapes=[list(s) for s in shapes], tolerance=LOOSE, **kwargs)


CASES = [
    case("conv1d", conv(1), [(2, 3, 9), (4, 3, 3), (4,)], [(0, 3, 9), (4, 3, 3), (4,)], [(2, 7), (3, 2, 2)]),
    case("conv1d_strided", conv(1, stride=2, padding=1, dilation=2), [(1, 2, 9), (2, 2, 2), (2,)]),
    case(
        "conv2d_plain", conv(2),
        [(1, 1, 4, 4), (1, 1, 3, 3), (1,)], [(2, 3, 32, 32), (6, 3, 5, 5), (6,)], [(3, 8, 8), (5, 3, 1, 1)],
        [(0, 3, 8, 8), (4, 3, 3, 3), (4,)], [(2, 6, 14, 14), (16, 6, 5, 5), (16,)],
    ),
    case("conv2d_pad", conv(2, padding=1), [(1, 2, 3, 3), (2, 2, 3, 3)], [(2, 5, 17, 31), (7, 5, 3, 3), (7,)]),
    case(
        "conv2d_winograd", conv(2, padding=1),
        [(2, 16, 7, 9), (17, 16, 3, 3), (17,)], [(3, 40, 30, 33), (24, 40, 3, 3)], [(1, 130, 4, 4), (65, 130, 3, 3)],
        dtypes=("float32", "float64"),
    ),
    case("conv2d_winograd_valid", conv(2, padding=(0, 2)), [(2, 16, 20, 19), (16, 16, 3, 3)]),
    case(
        "conv2d_strided", conv(2, stride=2, padding=1),
        [(1, 2, 4, 4), (1, 2, 3, 3)], [(2, 3, 33, 30), (8, 3, 7, 7), (8,)], [(2, 20, 13, 13), (20, 20, 3, 3)],
        [(2, 4, 9, 9), (3, 4, 1, 1)],
    ),
    case("conv2d_uneven", conv(2, stride=(3, 1), padding=(2, 0), dilation=(1, 2)), [(2, 3, 13, 12), (4, 3, 4, 3)]),
    case("conv2d_far_stride", conv(2, stride=9), [(2, 3, 40, 30), (4, 3, 3, 2), (4,)]),
    case("conv2d_same", conv(2, padding="same"), [(2, 3, 7, 8), (4, 3, 4, 3), (4,)]),
    case("conv2d_valid", conv(2, padding="valid"), [(1, 1, 4, 3), (2, 1, 2, 2)]),
    case("conv2d_groups", conv(2, padding=1, groups=2), [(2, 4, 9, 9), (6, 2, 3, 3), (6,)]),
    case(
        "conv2d_depthwise", conv(2, padding=1, groups=4),
        [(1, 4, 3, 3), (4, 1, 1, 1)], [(2, 4, 13, 19), (4, 1, 3, 3), (4,)], [(2, 4, 16, 9), (8, 1, 3, 3)],
        [(2, 4, 21, 18), (4, 1, 5, 5), (4,)],
    ),
    case(
        "conv2d_depthwise_small", conv(2, padding=1, groups=6), [(2, 6, 7, 7), (6, 1, 3, 3)], [(1, 6, 5, 6), (12, 1, 5, 5), (12,)],
    ),
    case("conv2d_depthwise_7", conv(2, padding=3, groups=3), [(2, 3, 9, 21), (3, 1, 7, 7), (3,)]),
    case(
        "conv2d_depthwise_strided", conv(2, stride=2, padding=1, groups=4),
        [(2, 4, 13, 38), (4, 1, 3, 3), (4,)], [(2, 4, 14, 9), (8, 1, 3, 3)], [(1, 4, 22, 17), (4, 1, 5, 5)],
    ),
    case("conv2d_depthwise_strided_pads", conv(2, stride=2, padding=(2, 0), groups=3), [(2, 3, 9, 12), (3, 1, 3, 3)], [(1, 3, 8, 40), (3, 1, 5, 5)]),
    case("conv2d_whole_image", conv(2), [(5, 8, 4, 3), (7, 8, 4, 3), (7,)], [(5, 40, 4, 4), (33, 40, 4, 4)]),
    case("conv2d_whole_image_groups", conv(2, groups=2), [(3, 6, 4, 4), (4, 3, 4, 4), (4,)]),
    case("conv_transpose2d_from_1x1", transposed(2), [(5, 9, 1, 1), (9, 6, 4, 4)], [(2, 3, 1, 1), (3, 2, 4, 4), (2,)]),
    case("conv2d_1x1_small", conv(2), [(3, 40, 5, 5), (48, 40, 1, 1), (48,)], [(2, 64, 9, 11), (40, 64, 1, 1)]),
    case("conv2d_1x1_strided_small", conv(2, stride=2), [(3, 40, 7, 5), (48, 40, 1, 1), (48,)]),
    case("conv3d", conv(3, padding=1), [(2, 2, 4, 5, 6), (3, 2, 3, 3, 3), (3,)], [(1, 3, 1, 4, 4), (2, 3, 3, 1, 2)]),
    case("conv3d_strided", conv(3, stride=2), [(1, 2, 5, 6, 7), (3, 2, 2, 3, 2)]),
    case("conv_transpose1d", transposed(1, stride=2), [(1, 2, 4), (2, 2, 3), (2,)]),
    case(
        "conv_transpose2d", transposed(2, stride=2, padding=1, output_padding=1),
        [(1, 1, 2, 2), (1, 2, 3, 3), (2,)], [(2, 6, 7, 8), (6, 4, 4, 3), (4,)],
    ),
    case("conv_transpose2d_groups", transposed(2, groups=2, dilation=2), [(2, 4, 5, 6), (4, 3, 3, 2)]),
    case("conv_transpose3d", transposed(3, stride=(1, 2, 1)), [(1, 2, 2, 3, 3), (2, 3, 2, 2, 3), (3,)]),
]  # fmt: skip
globals().update(make_tests(CASES))


def random(*shape):
    rng = np.random.default_rng(sum(shape))
    return minitorch.tensor(rng.standard_normal(shape).astype(np.float32))


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((4, 3, 32, 32), (6, 3, 5, 5), {}),
        ((4, 64, 28, 28), (64, 64, 3, 3), {"padding": 1}),
        ((3, 32, 28, 28), (64, 32, 3, 3), {"padding": 1, "stride": 2}),
        ((2, 48, 30, 30), (48, 1, 3, 3), {"padding": 1, "groups": 48}),
    ],
)
def test_threads_do_not_change_bits(x, w, options):
    x, w = random(*x).requires_grad_(), random(*w).requires_grad_()
    results = []
    before = minitorch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            minitorch.set_num_threads(threads)
            y = minitorch.conv2d(x, w, **options)
            y.backward(random(*y.shape))
            results.append([t.numpy().copy() for t in (y.detach(), x.grad, w.grad)])
            x.grad = w.grad = None
    finally:
        minitorch.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)


# Few channels, many channels, odd sizes, large and small images: 3x3 of strides 1 and 2, 4x4 of 2.
WINOGRAD = [
    (2, 64, 20, 20, 64, 3, 1, 1),
    (3, 20, 31, 30, 33, 3, 1, 0),
    (4, 96, 14, 17, 100, 3, 1, 1),
    (36, 96, 4, 4, 130, 3, 1, 1),
    (2, 24, 41, 38, 20, 3, 2, 1),
    (3, 65, 30, 27, 96, 3, 2, 0),
    (32, 70, 8, 8, 80, 3, 2, 2),
    (3, 20, 30, 35, 18, 4, 2, 1),
    (40, 65, 8, 8, 90, 4, 2, 1),
    (2, 17, 33, 32, 16, 4, 2, 3),
]


@pytest.mark.parametrize(("n", "c", "h", "width", "o", "k", "stride", "padding"), WINOGRAD)
def test_winograd_error_stays_near_that_of_the_direct_sum(n, c, h, width, o, k, stride, padding):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((n, c, h, width)), rng.standard_normal((o, c, k, k))
    exact = [torch.tensor(a, requires_grad=True) for a in (x, w)]
    y = torch.nn.functional.conv2d(*exact, stride=stride, padding=padding)
    dy = rng.standard_normal(tuple(y.shape))
    y.backward(torch.tensor(dy))
    single = [minitorch.tensor(a).float().requires_grad_() for a in (x, w)]
    got = minitorch.nn.functional.conv2d(*single, stride=stride, padding=padding)
    got.backward(minitorch.tensor(dy).float())
    # Errors of sums grow as the square root of their length.
    places = dy.size / o
    for mine, want, length in (
        (got, y, k * k * c),
        (single[0].grad, exact[0].grad, k * k * o),
        (single[1].grad, exact[1].grad, places),
    ):
        error = np.abs(mine.detach().numpy() - want.detach().numpy()).max()
        assert error < 6e-6 * np.sqrt(length)


# Short rows beside the reach of the taps, many channels: vectors over channels.
SHORT_ROWS = [
    # nd, input, weight, options
    (2, (3, 16, 14, 14), (32, 16, 5, 5), {"padding": 2}),
    (2, (2, 6, 14, 14), (16, 6, 5, 5), {}),
    (2, (2, 40, 17, 17), (48, 40, 1, 7), {"padding": (0, 3)}),
    (2, (2, 40, 17, 17), (47, 40, 7, 1), {"padding": (3, 0)}),
    (2, (2, 96, 12, 13), (31, 96, 3, 3), {"padding": 3, "dilation": 3}),
    (2, (2, 64, 27, 27), (96, 32, 5, 5), {"padding": 2, "groups": 2}),
    (2, (2, 48, 28, 28), (64, 48, 2, 2), {"stride": 2}),
    (2, (2, 3, 33, 30), (48, 3, 4, 4), {"stride": 4}),
    (2, (3, 2, 27, 36), (40, 2, 9, 12), {"stride": (9, 12)}),
    (2, (2, 6, 48, 32), (18, 2, 16, 16), {"stride": 16, "groups": 3}),
    (2, (1, 32, 31, 20), (80, 32, 5, 5), {"stride": 2, "padding": (1, 2)}),
    (2, (1, 17, 15, 40), (64, 17, 5, 3), {"stride": (1, 3), "padding": (2, 0)}),
    (2, (4, 1, 28, 28), (32, 1, 5, 5), {"padding": 2}),
    (3, (2, 16, 6, 9, 8), (32, 16, 3, 3, 3), {"stride": 2, "padding": 1}),
    (3, (1, 16, 5, 8, 8), (48, 16, 3, 3, 3), {"padding": 1}),
    (1, (2, 16, 21), (64, 16, 9), {"padding": 4}),
]


@pytest.mark.parametrize(("nd", "x", "w", "options"), SHORT_ROWS)
def test_short_rows_under_many_channels(nd, x, w, options):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype(np.float32) for s in (x, w, w[:1])]
    exact = [torch.tensor(a).double().requires_grad_() for a in arrays]
    y = getattr(torch.nn.functional, f"conv{nd}d")(*exact, **options)
    dy = rng.standard_normal(tuple(y.shape)).astype(np.float32)
    y.backward(torch.tensor(dy).double())
    places = dy.size / w[0]
    sums = np.prod(w[1:]), np.prod(w[2:]) * w[0], places, places
    before = minitorch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            minitorch.set_num_threads(threads)
            leaves = [minitorch.tensor(a).requires_grad_() for a in arrays]
            got = getattr(minitorch.nn.functional, f"conv{nd}d")(*leaves, **options)
            got.backward(minitorch.tensor(dy))
            results.append([got.detach().numpy(), *(t.grad.numpy() for t in leaves)])
    finally:
        minitorch.set_num_threads(before)
    for mine, want, length in zip(results[0], (y, *(t.grad for t in exact)), sums):
        assert np.abs(mine - want.detach().numpy()).max() < 6e-6 * np.sqrt(length)
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)


def test_integers_are_exact():
    x = minitorch.arange(2 * 3 * 5 * 5).reshape(2, 3, 5, 5)
    w = minitorch.arange(4 * 3 * 2 * 2).reshape(4, 3, 2, 2)
    want = minitorch.conv2d(x.double(), w.double()).long()
    got = minitorch.conv2d(x, w)
    assert got.dtype == minitorch.int64
    np.testing.assert_array_equal(got.numpy(), want.numpy())


def test_channels_last_input():
    x, w = random(2, 5, 9, 8), random(7, 5, 3, 3)
    moved = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    np.testing.assert_array_equal(
        minitorch.conv2d(moved, w).numpy(), minitorch.conv2d(x, w).numpy()
    )


def test_channels_last_1x1_keeps_its_format_and_gradients():
    def run(last):
        x, w, b = random(2, 5, 4, 3), random(7, 5, 1, 1), random(7)
        if last:
            x = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        leaves = [t.detach().requires_grad_() for t in (x, w, b)]
        y = minitorch.conv2d(*leaves)
        y.backward(minitorch.arange(y.numel()).float().reshape(y.shape))
        return [y.detach(), *(t.grad for t in leaves)]

    wanted, got = run(False), run(True)
    assert got[0].permute(0, 2, 3, 1).is_contiguous()
    for a, b in zip(wanted, got):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: minitorch.conv2d(random(1, 4, 8, 8), random(6, 3, 5, 5)),
            r"Given groups=1, weight of size \[6, 3, 5, 5\], expected input\[1, 4, 8, 8\] to have 3 channels, but got 4",
        ),
        (
            lambda: minitorch.conv2d(random(1, 3, 2, 2), random(6, 3, 3, 3)),
            "Kernel size can't be greater",
        ),
        (
            lambda: minitorch.conv2d(random(8, 8), random(6, 3, 3, 3)),
            r"Expected 3D \(unbatched\) or 4D",
        ),
        (
            lambda: minitorch.conv2d(random(1, 3, 8, 8), random(6, 3, 3, 3), random(5)),
            "expected bias to be 1-dim",
        ),
        (
            lambda: minitorch.conv2d(random(1, 3, 8, 8), random(6, 3, 3, 3), stride=0),
            "non-positive stride",
        ),
        (
            lambda: minitorch.conv2d(random(1, 3, 8, 8), random(6, 3, 3, 3), padding=-1),
            "negative padding",
        ),
        (
            lambda: minitorch.conv2d(random(1, 4, 8, 8), random(5, 2, 3, 3), groups=2),
            "divisible by 2",
        ),
        (
            lambda: minitorch.conv2d(
                random(1, 3, 8, 8), random(6, 3, 3, 3), padding="same", stride=2
            ),
            "padding='same' is not supported for strided",
        ),
        (
            lambda: minitorch.conv2d(random(1, 3, 8, 8).double(), random(6, 3, 3, 3)),
            "should be the same",
        ),
        (
            lambda: minitorch.conv_transpose2d(
                random(1, 3, 4, 4), random(3, 2, 3, 3), output_padding=1
            ),
            "output padding must be smaller",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()
