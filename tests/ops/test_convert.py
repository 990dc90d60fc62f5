"""dtype conversion, copies and fills."""

import pytest

import minitorch as mt

from .harness import Case, make_tests

CASES = [
    Case("clone", lambda m, x: x.clone(), shapes=[[(2, 3)], [()], [(0,)]]),
    Case("contiguous", lambda m, x: x.t().contiguous(), shapes=[[(40, 33)], [(3, 2)]]),
    Case("to_double", lambda m, x: x.to(m.float64), shapes=[[(2, 3)]]),
    Case("float", lambda m, x: x.float() * 1, shapes=[[(5,)]], gradgrad=False, grad=False),
]
globals().update(make_tests(CASES))
DTYPES = [
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


@pytest.mark.parametrize("to", DTYPES)
@pytest.mark.parametrize("from_", DTYPES)
def test_every_conversion(from_, to):
    torch = pytest.importorskip("torch")
    values = [0, 1, 2, 100, 3.7, 0.2] if "float" in from_ else [0, 1, 2, 100]
    if from_ not in ("bool", "uint8"):
        values += [-1, -5]
    if to == "uint8":
        values = [v for v in values if v >= 0]
    ours = mt.tensor(values).to(getattr(mt, from_)).to(getattr(mt, to))
    theirs = torch.tensor(values).to(getattr(torch, from_)).to(getattr(torch, to))
    assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_rounding_of_16_bit_floats(dtype):
    torch = pytest.importorskip("torch")
    import numpy as np

    bits = np.arange(0, 2**32, 65_537, dtype=np.uint32).view(np.float32)
    ours = mt.from_numpy(bits).to(getattr(mt, dtype))
    theirs = torch.from_numpy(bits).to(getattr(torch, dtype))
    np.testing.assert_array_equal(ours.float().numpy(), theirs.float().numpy())
    np.testing.assert_array_equal(
        ours.view(mt.int16).numpy()[~np.isnan(bits)],
        theirs.view(torch.int16).numpy()[~np.isnan(bits)],
    )


def test_to_returns_itself_where_nothing_changes():
    x = mt.ones(2)
    assert x.to(mt.float32) is x and x.to("cpu") is x and x.float() is x and x.contiguous() is x
    assert x.to(mt.float32, copy=True) is not x
    assert x.to(mt.zeros(1, dtype=mt.int64)).dtype is mt.int64


def test_copy_broadcasts_and_converts():
    x = mt.zeros(2, 3)
    x.copy_(mt.tensor([1, 2, 3]))
    assert x.tolist() == [[1.0, 2.0, 3.0]] * 2
    with pytest.raises(RuntimeError, match=r"copy_.*\[2, 3\]"):
        x.copy_(mt.zeros(4))


def test_fill_and_zero():
    x = mt.empty(2, dtype=mt.int64)
    assert x.fill_(3).tolist() == [3, 3] and x.zero_().tolist() == [0, 0]
    assert x.fill_(mt.tensor(5)).tolist() == [5, 5]
    with pytest.raises(RuntimeError, match="0-dimension"):
        x.fill_(mt.zeros(2))


def test_channels_last():
    x = mt.arange(24).reshape(1, 2, 3, 4)
    y = x.contiguous(memory_format=mt.channels_last)
    assert y.tolist() == x.tolist() and y.stride() == (24, 1, 8, 2)
    assert y.is_contiguous(memory_format=mt.channels_last) and not y.is_contiguous()


def test_resize():
    x = mt.arange(4)
    x.resize_(2, 2)
    assert x.tolist() == [[0, 1], [2, 3]]
    x.resize_(8)
    assert x.narrow(0, 0, 4).tolist() == [0, 1, 2, 3]


def test_large_transposed_copies():
    torch = pytest.importorskip("torch")
    for shape in [(65, 129), (3, 70, 50), (2, 33, 17, 20)]:
        n = 1
        for s in shape:
            n *= s
        x, want = mt.arange(n).reshape(shape), torch.arange(n).reshape(shape)
        for a, b in [(0, 1), (0, -1), (1, -1)]:
            assert (
                x.transpose(a, b).contiguous().numpy() == want.transpose(a, b).contiguous().numpy()
            ).all()


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "uint8"])
@pytest.mark.parametrize("shape", [(8, 8), (16, 64), (17, 130), (65, 129), (200, 70), (3, 33, 90)])
def test_transposed_copy(dtype, shape):
    n = 1
    for s in shape:
        n *= s
    x = (mt.arange(n) % 251).to(getattr(mt, dtype)).reshape(shape)
    y = x.transpose(-1, -2).contiguous()
    rows = x.to(mt.int64).reshape(-1, *shape[-2:]).tolist()
    expected = [[list(column) for column in zip(*plane)] for plane in rows]
    assert y.to(mt.int64).reshape(-1, shape[-1], shape[-2]).tolist() == expected


def test_copy_of_expanded_columns():
    x = mt.arange(100.0).reshape(100, 1)
    assert x.expand(100, 70).contiguous().tolist() == [[float(i)] * 70 for i in range(100)]


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "uint8"])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_channels_to_planes_and_back(dtype, channels):
    x = (mt.arange(2 * 31 * 67 * channels) % 251).to(getattr(mt, dtype))
    x = x.reshape(2, 31, 67, channels)
    y = x.permute(0, 3, 1, 2).contiguous()
    for c in range(channels):
        assert y[:, c].tolist() == x[:, :, :, c].tolist()
    assert y.permute(0, 2, 3, 1).contiguous().tolist() == x.tolist()


@pytest.mark.parametrize("value", [0, -1.5, 3])
def test_fill_of_many_pages(value):
    x = mt.full((70, 1003), value)
    assert x.unique().tolist() == [value]
    assert x[:, 1:].fill_(7).unique().tolist() == [7] and x[:, 0].unique().tolist() == [value]
