"""The matrix product kernel itself: every way it may take, at the edges of its blocks.

Small integers as values make every sum exact in float32 and float64, so results are compared for
equality. The whole file runs again under each instruction set of the machine.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

import minitorch as mt
from minitorch._load import _C

LAYOUTS = ("rows", "columns", "strided", "padded", "expanded")
# Around register tiles (4, 6, 8 rows; 8, 16, 24, 32, 48 columns) and depth blocks (384, of 1, 2 or 4 elements).
EDGES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 25, 31, 33, 47, 48, 49, 64, 65, 97, 113)
DEPTHS = (0, 1, 2, 15, 16, 17, 255, 256, 257, 383, 384, 385, 513, 777)


@pytest.fixture(autouse=True)
def two_threads():
    before = mt.get_num_threads()
    mt.set_num_threads(2)
    yield
    mt.set_num_threads(before)


def matrix(rng, rows, cols, dtype, layout, batch=()):
    """(NumPy values, tensor of that layout)."""
    values = rng.integers(-4, 5, (*batch, rows, cols))
    if layout == "expanded" and rows > 0:
        values[...] = values[..., :1, :]
    tensor = mt.tensor(values).to(dtype)
    if layout == "columns":
        tensor = tensor.transpose(-2, -1).contiguous().transpose(-2, -1)
    elif layout == "strided":
        wide = mt.zeros((*batch, rows, 2 * cols + 1), dtype=dtype)
        tensor = mt.as_strided(wide, tensor.shape, (*tuple(wide.stride())[:-1], 2), 0).copy_(tensor)
    elif layout == "padded":
        wide = mt.zeros((*batch, rows, cols + 5), dtype=dtype)
        tensor = wide.narrow(-1, 3, cols).copy_(tensor)
    elif layout == "expanded" and rows > 0:
        tensor = tensor.narrow(-2, 0, 1).expand(tensor.shape)
    return values, tensor


def check(m, n, k, dtype=mt.float32, a_layout="rows", b_layout="rows", batch=()):
    rng = np.random.default_rng(m * 10007 + n * 101 + k)
    a, x = matrix(rng, m, k, dtype, a_layout, batch)
    b, y = matrix(rng, k, n, dtype, b_layout, batch)
    z = mt.matmul(x, y)
    mt.set_num_threads(1)
    one = mt.matmul(x, y)
    mt.set_num_threads(2)
    assert np.array_equal(z.double().numpy(), one.double().numpy())
    want = mt.tensor(a @ b).to(dtype).double().numpy()
    assert np.array_equal(z.double().numpy(), want), (m, n, k, dtype, a_layout, b_layout)


@pytest.mark.parametrize("dtype", [mt.float32, mt.float64], ids=str)
@pytest.mark.parametrize("m", EDGES)
def test_tile_edges(m, dtype):
    rng = np.random.default_rng(m)
    for n in EDGES:
        a_layout, b_layout = rng.choice(LAYOUTS, 2)
        check(m, n, int(rng.choice(DEPTHS)), dtype, a_layout, b_layout)


@pytest.mark.parametrize("dtype", [mt.float32, mt.float64, mt.int64], ids=str)
@pytest.mark.parametrize("b_layout", LAYOUTS)
@pytest.mark.parametrize("a_layout", LAYOUTS)
def test_layouts_of_every_way(a_layout, b_layout, dtype):
    # gemv, dot, direct, packed by rows, packed by columns
    for m, n, k in [
        (1, 130, 70),
        (130, 1, 70),
        (5, 7, 300),
        (50, 60, 40),
        (200, 130, 280),
        (130, 200, 280),
    ]:
        check(m, n, k, dtype, a_layout, b_layout)


@pytest.mark.parametrize("k", DEPTHS)
def test_depth_edges(k):
    for m, n in [(1, 1), (3, 500), (130, 140), (9, 17)]:
        check(m, n, k)
        check(m, n, k, a_layout="columns", b_layout="columns")


@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 200_000), (3, 2, 40_000), (60, 50, 9000)])
def test_long_sums_are_cut_by_size(m, n, k):
    check(m, n, k, mt.float64)
    rng = np.random.default_rng(0)
    x = mt.from_numpy(rng.standard_normal((m, k), dtype=np.float32))
    y = mt.from_numpy(rng.standard_normal((k, n), dtype=np.float32))
    two = mt.matmul(x, y).numpy()
    mt.set_num_threads(1)
    assert np.array_equal(two, mt.matmul(x, y).numpy())
    np.testing.assert_allclose(
        two, x.double().numpy() @ y.double().numpy(), rtol=1e-3, atol=2e-3 * k**0.5
    )


@pytest.mark.parametrize("shape", [(33, 300, 500), (300, 33, 500), (256, 256, 256), (500, 70, 30)])
def test_bits_do_not_depend_on_threads(shape):
    m, n, k = shape
    rng = np.random.default_rng(1)
    x = mt.from_numpy(rng.standard_normal((m, k), dtype=np.float32))
    y = mt.from_numpy(rng.standard_normal((k, n), dtype=np.float32))
    results = []
    for threads in (1, 2, 3, 7):
        mt.set_num_threads(threads)
        results.append(mt.matmul(x, y).numpy())
    assert all(np.array_equal(r, results[0]) for r in results)
    np.testing.assert_allclose(
        results[0], x.double().numpy() @ y.double().numpy(), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("batch", [(0,), (1,), (3,), (40,), (2, 3)])
@pytest.mark.parametrize("b_layout", LAYOUTS)
def test_batches(batch, b_layout):
    for m, n, k in [(5, 7, 9), (1, 8, 8), (8, 1, 8), (33, 65, 129), (4, 4, 0)]:
        check(m, n, k, mt.float32, "columns", b_layout, batch)


@pytest.mark.parametrize("dtype", [mt.float32, mt.float64], ids=str)
@pytest.mark.parametrize("b_layout", ["rows", "columns"])
def test_rows_in_place(dtype, b_layout):
    """Tall, square and wide products, whose A is read where it lies and whose B is packed."""
    for m, n, k in [
        *((1000, 64, 70), (401, 33, 800), (530, 113, 385), (150, 149, 129), (260, 240, 400)),
        *((70, 131, 770), (130, 999, 40), (2, 200, 700)),
    ]:
        check(m, n, k, dtype, "padded", b_layout)
        rng = np.random.default_rng(m)
        (a, x), (b, y), (c, z) = (
            matrix(rng, *shape, dtype, "rows") for shape in ((m, k), (k, n), (m, n))
        )
        assert np.array_equal(mt.addmm(z, x, y, beta=3, alpha=2).numpy(), 3 * c + 2 * (a @ b))
        assert np.array_equal(mt.addmm(z[0], x, y).numpy(), c[0] + a @ b)


@pytest.mark.parametrize("dtype", [mt.float32, mt.bfloat16], ids=str)
def test_long_sums_are_cut(dtype):
    for m, n, k in [(64, 70, 8200), (128, 128, 8192), (3, 5, 140000), (20, 33, 20000)]:
        check(m, n, k, dtype, "columns", "rows")


@pytest.mark.parametrize("dtype", [mt.uint8, mt.int8, mt.int16, mt.int32, mt.int64], ids=str)
def test_integers_wrap(dtype):
    rng = np.random.default_rng(2)
    info = np.iinfo(str(dtype).split(".")[-1])
    a = rng.integers(info.min, info.max, (9, 40), dtype=info.dtype, endpoint=True)
    b = rng.integers(info.min, info.max, (40, 600), dtype=info.dtype, endpoint=True)
    z = mt.matmul(mt.from_numpy(a), mt.from_numpy(b)).numpy()
    assert np.array_equal(z, a @ b)
    assert np.array_equal(mt.matmul(mt.from_numpy(a), mt.from_numpy(b.T.copy()).t()).numpy(), a @ b)


def int8_layouts(rng, rows, cols, low=-128, high=127):
    """int8 values and tensors of every layout."""
    values = rng.integers(low, high, (rows, cols), dtype=np.int8, endpoint=True)
    tensor = mt.from_numpy(values)
    yield values, tensor
    yield values, tensor.t().contiguous().t()
    wide = mt.zeros((rows, 2 * cols + 1), dtype=mt.int8)
    yield values, mt.as_strided(wide, (rows, cols), (2 * cols + 1, 2), 0).copy_(tensor)


@pytest.mark.parametrize("m", [1, 2, 5, 7, 8, 9, 17, 33, 70])
def test_int_mm_is_exact(m):
    rng = np.random.default_rng(m)
    for n, k in [
        *((1, 1), (3, 2), (7, 5), (16, 3), (15, 4), (17, 9), (48, 31), (49, 32), (50, 33)),
        *((97, 257), (130, 1023), (64, 1029), (9, 2050), (1100, 301)),
    ]:
        for a, x in int8_layouts(rng, m, k):
            for b, y in int8_layouts(rng, k, n):
                z = mt._int_mm(x, y)
                assert z.dtype == mt.int32
                assert np.array_equal(z.numpy(), a.astype(np.int32) @ b.astype(np.int32)), (n, k)


@pytest.mark.parametrize("a", [-128, -127, -1, 0, 127])
@pytest.mark.parametrize("b", [-128, -1, 127])
def test_int_mm_at_the_ends_of_the_range(a, b):
    for m, n, k in [(9, 50, 4096), (70, 200, 1027), (3, 5, 3)]:
        z = mt._int_mm(mt.full((m, k), a, dtype=mt.int8), mt.full((k, n), b, dtype=mt.int8)).numpy()
        assert (z == a * b * k).all()


def test_int_mm_of_nothing_and_of_the_wrong_thing():
    x = mt.zeros((3, 0), dtype=mt.int8)
    assert (mt._int_mm(x, mt.zeros((0, 4), dtype=mt.int8)) == mt.zeros(3, 4)).all()
    assert mt._int_mm(mt.zeros((0, 3), dtype=mt.int8), mt.zeros((3, 4), dtype=mt.int8)).shape == (
        0,
        4,
    )
    with pytest.raises(RuntimeError, match="int8"):
        mt._int_mm(mt.zeros(2, 2), mt.zeros(2, 2))
    with pytest.raises(RuntimeError, match="2D"):
        mt._int_mm(x, mt.zeros(4, dtype=mt.int8))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        mt._int_mm(x, mt.zeros((2, 4), dtype=mt.int8))


def test_large_int8_products_wrap():
    rng = np.random.default_rng(7)
    for shape in [(40, 50, 70), (3, 33, 61, 129), (2, 8, 9, 1000)]:
        *batch, m, n, k = shape
        a = rng.integers(-128, 127, (*batch, m, k), dtype=np.int8, endpoint=True)
        b = rng.integers(-128, 127, (*batch, k, n), dtype=np.int8, endpoint=True)
        z = mt.matmul(mt.from_numpy(a), mt.from_numpy(b))
        assert np.array_equal(z.numpy(), a @ b)


@pytest.mark.parametrize("m", EDGES)
@pytest.mark.parametrize("dtype", [mt.float16, mt.bfloat16], ids=str)
def test_half_tile_edges(m, dtype):
    """Small integers: sums are exact in float32, and rounded to 16 bits once."""
    rng = np.random.default_rng(m)
    for n in EDGES:
        a_layout, b_layout = rng.choice(LAYOUTS, 2)
        check(m, n, int(rng.choice(DEPTHS)), dtype, a_layout, b_layout)


@pytest.mark.parametrize("dtype", [mt.float16, mt.bfloat16], ids=str)
def test_half_rounds_once(dtype):
    """A sum in float32 rounded at the end: each element is the nearest or its neighbour."""
    rng = np.random.default_rng(3)
    for m, n, k in [(1, 40, 30), (20, 1, 700), (17, 50, 300), (70, 65, 900)]:
        x = mt.from_numpy(rng.standard_normal((m, k), dtype=np.float32)).to(dtype)
        y = mt.from_numpy(rng.standard_normal((k, n), dtype=np.float32)).to(dtype)
        z = mt.matmul(x, y)
        exact = x.double().numpy() @ y.double().numpy()
        once = mt.from_numpy(exact).to(dtype).double().numpy()
        step = 2.0**-7 if dtype == mt.bfloat16 else 2.0**-10
        error = np.abs(z.double().numpy() - once)
        assert (error <= step * np.abs(once) + 1e-5 * k).all()
        assert (error == 0).mean() > 0.98


def test_nan_and_inf_spread_as_ieee_says():
    for m, n, k in [(3, 5, 4), (1, 70, 33), (70, 1, 33), (100, 120, 300)]:
        a, b = np.ones((m, k), np.float32), np.ones((k, n), np.float32)
        a[m - 1, k - 1] = np.inf
        b[0, n - 1] = np.nan
        with np.errstate(invalid="ignore"):
            want = a.astype(np.float64) @ b.astype(np.float64)
        np.testing.assert_array_equal(mt.matmul(mt.from_numpy(a), mt.from_numpy(b)).numpy(), want)
        a[m - 1, k - 1], b[k - 1, :] = np.inf, 0  # inf * 0
        z = mt.matmul(mt.from_numpy(a), mt.from_numpy(b)).numpy()
        assert np.isnan(z[m - 1]).all()


@pytest.mark.parametrize("dtype", [mt.float32, mt.float64, mt.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("alpha", "beta"), [(1, 0), (1, 1), (2.0, 0.0), (0.5, 2.0), (-1.0, 1.0), (0.0, 1.0)]
)
def test_scaled_sums(alpha, beta, dtype):
    rng = np.random.default_rng(4)
    for m, n, k in [
        (1, 40, 30),
        (40, 1, 30),
        (5, 7, 0),
        (9, 50, 20),
        (4, 300, 600),
        (130, 90, 300),
    ]:
        a, x = matrix(rng, m, k, dtype, "rows")
        b, y = matrix(rng, k, n, dtype, "columns")
        c, z = matrix(rng, m, n, dtype, "rows")
        if beta == 0:
            z.fill_(float("nan"))  # must not be read
        mt.addmm(z, x, y, beta=beta, alpha=alpha)
        want = mt.from_numpy(alpha * (a @ b) + (beta * c if beta else 0.0)).to(dtype)
        np.testing.assert_array_equal(
            mt.addmm(z, x, y, beta=beta, alpha=alpha).double().numpy(), want.double().numpy()
        )
        z.addmm_(x, y, beta=beta, alpha=alpha)
        np.testing.assert_array_equal(z.double().numpy(), want.double().numpy())


def test_result_into_columns_and_strides():
    rng = np.random.default_rng(5)
    for layout in ("rows", "columns", "strided", "padded"):
        a, x = matrix(rng, 20, 30, mt.float32, "rows")
        b, y = matrix(rng, 30, 25, mt.float32, "columns")
        c, z = matrix(rng, 20, 25, mt.float32, layout)
        z.addmm_(x, y)
        assert np.array_equal(z.contiguous().numpy(), c + a @ b), layout


def test_result_may_be_an_operand():
    a, x = matrix(np.random.default_rng(6), 20, 20, mt.float32, "rows")
    x.addmm_(x, x)
    assert np.array_equal(x.numpy(), a + a @ a)


def run_this_file(**environment):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("isa", _C.available_isas().split(", "))
def test_every_instruction_set(isa):
    """Runs this file under the other instruction sets, each in a process of its own."""
    if os.environ.get("MINITORCH_ISA") or os.environ.get("MINITORCH_DOT") or isa == _C.isa():
        pytest.skip("this is the set in use")
    run_this_file(MINITORCH_ISA=isa)


@pytest.mark.parametrize("isa", _C.available_isas().split(", "))
def test_without_dot_product_instructions(isa):
    if os.environ.get("MINITORCH_ISA") or os.environ.get("MINITORCH_DOT"):
        pytest.skip("already another machine")
    run_this_file(MINITORCH_ISA=isa, MINITORCH_DOT="0")
