"""Elementwise arithmetic and comparison of two tensors."""

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

words = str.split

SHAPES = [
    [(3, 5), (3, 5)],
    [(3, 5), (5,)],
    [(4, 1), (1, 6)],
    [(), (2, 3)],
    [(0, 3), (3,)],
    [(2, 70), (2, 1)],
    [(3, 700), (700,)],
    [(40, 3), (3,)],
]


def binary(name, low=-2.0, high=2.0, **options):
    return Case(
        name,
        lambda m, x, y: getattr(m, name)(x, y),
        shapes=SHAPES,
        low=low,
        high=high,
        **options,
    )


def separate(rng, shapes):
    """Values whose pairs are never close to each other, nor their quotients to integers."""
    first = rng.integers(-4, 5, shapes[0]) + 0.25
    second = rng.integers(1, 5, shapes[1]) + 0.6
    return [first, second]


HALF = {"bfloat16": (2e-2, 2e-2), "float16": (4e-3, 4e-3)}
CASES = [
    binary("add"),
    binary("sub"),
    binary("mul"),
    binary("div", 0.5, 2.0),
    binary("pow", 0.5, 2.0, tolerance=HALF),
    binary("atan2", 0.2, 2.0),
    binary("hypot", 0.2, 2.0),
    binary("logaddexp"),
    binary("logaddexp2"),
    binary("xlogy", 0.2, 2.0),
    binary("copysign", 0.2, 2.0),
    binary("float_power", 0.5, 2.0),
    Case("maximum", lambda m, x, y: m.maximum(x, y), shapes=SHAPES, make=separate),
    Case("minimum", lambda m, x, y: m.minimum(x, y), shapes=SHAPES, make=separate),
    Case("fmax", lambda m, x, y: m.fmax(x, y), shapes=SHAPES, make=separate),
    Case("fmin", lambda m, x, y: m.fmin(x, y), shapes=SHAPES, make=separate),
    Case(
        "remainder",
        lambda m, x, y: m.remainder(x, y),
        shapes=SHAPES,
        make=separate,
        tolerance={"bfloat16": (5e-2, 5e-2)},
    ),
    Case(
        "fmod",
        lambda m, x, y: m.fmod(x, y),
        shapes=SHAPES,
        make=separate,
        tolerance={"bfloat16": (5e-2, 5e-2)},
    ),
    Case(
        "floor_divide",
        lambda m, x, y: m.floor_divide(x, y),
        shapes=SHAPES,
        make=separate,
        grad=False,
    ),
    Case("div_floor", lambda m, x, y: m.div(x, y, rounding_mode="floor"), SHAPES, make=separate),
    Case("div_trunc", lambda m, x, y: m.div(x, y, rounding_mode="trunc"), SHAPES, make=separate),
    Case("add_alpha", lambda m, x, y: m.add(x, y, alpha=-1.5), SHAPES),
    Case("sub_alpha", lambda m, x, y: m.sub(x, y, alpha=2), SHAPES),
    Case("rsub", lambda m, x: 1.5 - x, shapes=[[(3, 5)], [(0,)]]),
    Case("number", lambda m, x: (x * 2.5 + 1) / 3 - x, shapes=[[(3, 5)], [(1030,)]]),
    Case("rdiv", lambda m, x: 2 / x, shapes=[[(3, 5)]], low=0.5),
    *(
        Case(f"pow_{p}", lambda m, x, p=p: x**p, shapes=[[(3, 5)], [(70,)]], low=0.3)
        for p in (0, 1, 2, 3, 4, 0.5, -0.5, -1, -2, 1.7)
    ),
    Case("rpow", lambda m, x: 2.5**x, shapes=[[(3, 5)]]),
    Case("nextafter", lambda m, x, y: m.nextafter(x, y), SHAPES[:2], ("float32",), grad=False),
    *(
        Case(n, lambda m, x, y, n=n: getattr(m, n)(x, y), SHAPES, make=separate, grad=False)
        for n in ("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor")
    ),
]
globals().update(make_tests(CASES))

EDGES = [0.0, -0.0, 1.0, -1.0, 2.5, -3.0, 1e-40, 3e38, -3e38, np.inf, -np.inf, np.nan]
EDGE_OPS = words(
    "add mul div maximum minimum fmax fmin pow remainder fmod floor_divide atan2 hypot copysign "
    "logaddexp logaddexp2 xlogy heaviside eq ne lt le gt ge logical_and logical_xor"
)


@pytest.mark.parametrize("name", EDGE_OPS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_edges_as_in_torch(name, dtype):
    torch = pytest.importorskip("torch")
    x, y = (v.reshape(-1).astype(dtype) for v in np.meshgrid(EDGES, EDGES))
    ours = getattr(minitorch, name)(minitorch.from_numpy(x), minitorch.from_numpy(y)).numpy()
    theirs = getattr(torch, name)(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    if name in ("remainder", "floor_divide", "fmod"):
        # Quotients beyond 2^24 are a matter of taste between implementations.
        keep = ~((np.abs(x) > 1e30) & (np.abs(y) < 1e30)) & ~((np.abs(y) < 1e-30) & (y != 0))
        ours, theirs = ours[keep], theirs[keep]
    atol = 1e-7 if name.startswith("logadd") else 1e-38
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_integers(dtype):
    torch = pytest.importorskip("torch")
    info = minitorch.iinfo(getattr(minitorch, dtype))
    x = np.array([info.max, info.min, 100, 7, 3, 1, 0, -1 if info.min else 9] * 9, dtype)
    y = np.array([2, 3, 7, 5, 1, 3, 100, 9, 6] * 8, dtype)
    for name in words(
        "add sub mul floor_divide remainder fmod maximum minimum bitwise_and bitwise_or bitwise_xor "
        "gcd lcm eq lt ge logical_and logical_xor"
    ):
        # torch's lcm of the smallest number ends the process, and overflow is not defined.
        a = np.minimum(np.abs(x) & 15, 12).astype(dtype) if name in ("gcd", "lcm") else x
        ours = getattr(minitorch, name)(minitorch.from_numpy(a), minitorch.from_numpy(y))
        theirs = getattr(torch, name)(torch.from_numpy(a), torch.from_numpy(y))
        assert ours.tolist() == theirs.tolist(), name
    small = np.array([0, 1, 2, 3, 5, 6] * 12, dtype)
    for name in ("pow", "bitwise_left_shift", "bitwise_right_shift"):
        ours = getattr(minitorch, name)(minitorch.from_numpy(x), minitorch.from_numpy(small))
        theirs = getattr(torch, name)(torch.from_numpy(x), torch.from_numpy(small))
        assert ours.tolist() == theirs.tolist(), name


def test_integer_errors():
    x = minitorch.tensor([1, 2])
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        x // 0
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        x % minitorch.tensor([0, 1])
    with pytest.raises(RuntimeError, match="negative integer powers"):
        x**-1
    with pytest.raises(RuntimeError, match="add_"):
        x.add_(1, alpha=0.5)
    with pytest.raises(RuntimeError, match="can't be cast"):
        x.mul_(1.5)
    assert (x**-1.0).tolist() == [1.0, 0.5]


def test_shape_errors_name_the_shapes():
    with pytest.raises(RuntimeError, match=r"add.*\[2, 3\].*\[4\]"):
        minitorch.ones(2, 3) + minitorch.ones(4)
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        minitorch.ones(3).add_(minitorch.ones(2, 3))
    with pytest.raises(TypeError):
        minitorch.add(1, 2)
    with pytest.raises(TypeError):
        minitorch.maximum(minitorch.ones(2), 1)


def test_layouts_of_results():
    x = minitorch.randn(2, 3, 4, 5).permute(0, 3, 1, 2)
    assert (x + x).stride() == x.stride()
    assert (x * 2).stride() == x.stride()
    assert (x > 0).stride() == x.stride()
    assert (x + minitorch.ones(5, 1, 1)).stride() == x.stride()


@pytest.mark.parametrize("name", ["add_", "sub_", "mul_", "div_", "pow_", "remainder_", "atan2_"])
def test_in_place(name):
    x = minitorch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    other = minitorch.tensor([0.5, 1.5, 2.5])
    want = getattr(minitorch, name[:-1])(x, other)
    y = x.clone()
    version = y._version
    assert getattr(y, name)(other) is y
    assert y.tolist() == want.tolist()
    assert y._version > version
    # An operand that overlaps what is written.
    z = x.clone().reshape(-1)
    want = getattr(minitorch, name[:-1])(z[1:].clone(), z[:-1].clone())
    getattr(z[1:], name)(z[:-1])
    assert z[1:].tolist() == want.tolist()


def test_in_place_gradients():
    x = minitorch.tensor([2.0, 3.0], requires_grad=True)
    w = minitorch.tensor([4.0, 5.0], requires_grad=True)
    y = x * 1
    y += w
    y *= w
    y -= 1
    y.sum().backward()
    assert x.grad.tolist() == [4.0, 5.0]
    assert w.grad.tolist() == [2.0 + 2 * 4, 3.0 + 2 * 5]


def test_bool_arithmetic():
    t, f = minitorch.tensor([True, True, False] * 30), minitorch.tensor([True, False, False] * 30)
    assert (t + f).tolist() == [True, True, False] * 30
    assert (t * f).tolist() == (t & f).tolist() == [True, False, False] * 30
    assert (t | f).tolist() == [True, True, False] * 30
    assert (t ^ f).tolist() == [False, True, False] * 30
    assert (t + 1).dtype is minitorch.int64
    for make in (lambda: t - f, lambda: t - 1, lambda: 1.0 - t):
        with pytest.raises(RuntimeError):
            make()


class Foreign:
    def __radd__(self, other):
        return "radd"

    def __rpow__(self, other):
        return "rpow"

    def __rand__(self, other):
        return "rand"

    def __gt__(self, other):
        return "gt"


def test_operators_with_other_types():
    x = minitorch.tensor([1.0, 2.0])
    assert x + Foreign() == "radd"
    assert x ** Foreign() == "rpow"
    assert x.long() & Foreign() == "rand"
    assert (x < Foreign()) == "gt"
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert (x == "a") is False
    for bad in (lambda: x + "a", lambda: x + None, lambda: x < None, lambda: [1] + x):
        with pytest.raises(TypeError):
            bad()
    assert (np.float64(2) * x).tolist() == (x * np.float32(2)).tolist() == [2.0, 4.0]
    assert (x + np.array([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert (x == np.array([1.0, 5.0])).tolist() == [True, False]
    assert (5 // x).tolist() == [5.0, 2.0] and (5 % x).tolist() == [0.0, 1.0]
    i = minitorch.tensor([1, 2])
    assert (1 << i).tolist() == [2, 4] and (8 >> i).tolist() == [4, 2]
    assert (2**i).tolist() == [2, 4]


def test_ties_of_extrema():
    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    y = minitorch.tensor([1.0, 3.0], requires_grad=True)
    minitorch.maximum(x, y).sum().backward()
    assert x.grad.tolist() == [0.5, 0.0] and y.grad.tolist() == [0.5, 1.0]


def test_large_tensors_on_threads():
    x = np.arange(300_000, dtype=np.float32) / 7
    before = minitorch.get_num_threads()
    results = []
    for threads in (1, 2):
        minitorch.set_num_threads(threads)
        t = minitorch.from_numpy(x)
        columns = t.reshape(300, 1000)
        results.append(
            [
                (t * 1.5 + t).numpy(),
                (columns + columns[:, :1]).numpy(),
                (columns.t() - columns.t()[:1]).numpy(),
                (t > 2000).numpy(),
            ]
        )
    minitorch.set_num_threads(before)
    for a, b in zip(*results):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(results[0][1], x.reshape(300, 1000) + x.reshape(300, 1000)[:, :1])


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
def test_out_is_written_in_place_where_it_fits(name):
    f = getattr(minitorch, name)
    x, y = minitorch.rand(3, 4) + 1, minitorch.rand(4) + 1
    want = f(x, y)
    out = minitorch.empty(3, 4)
    address, version = out.data_ptr(), out._version
    assert f(x, y, out=out) is out
    assert out.data_ptr() == address and out._version > version
    assert (out == want).all()
    # A view, an operand, and memory that an operand shares shifted.
    wide = minitorch.zeros(3, 8)
    f(x, y, out=wide[:, ::2])
    assert (wide[:, ::2] == want).all() and (wide[:, 1::2] == 0).all()
    copy = x.clone()
    f(copy, y, out=copy)
    assert (copy == want).all()
    line = minitorch.rand(9) + 1
    before = line.clone()
    f(line[:-1], line[1:], out=line[1:])
    assert (line[1:] == f(before[:-1], before[1:])).all()
    # Another dtype or size.
    assert (f(x, y, out=minitorch.empty(3, 4, dtype=minitorch.float64)) == want.double()).all()
    assert f(x, y, out=minitorch.empty(0)).shape == (3, 4)
    with pytest.raises(RuntimeError, match="can't be cast"):
        f(x, y, out=minitorch.empty(3, 4, dtype=minitorch.int64))
    with pytest.raises(RuntimeError, match="automatic differentiation"):
        f(x.clone().requires_grad_(), y, out=out)
    with pytest.raises(TypeError, match="out"):
        f(x, y, out=[1.0])
