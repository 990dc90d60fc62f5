"""The Tensor class: Python protocols, printing, pickling, copying."""

import copy
import pickle

import pytest

import minitorch as mt


@pytest.mark.parametrize(
    "make",
    [
        lambda m: m.tensor([1.0, 2.5, -3.25]),
        lambda m: m.tensor([1.0, 2.0, 3.0]),
        lambda m: m.tensor([[1, 20], [300, 4]]),
        lambda m: m.tensor([True, False]),
        lambda m: m.tensor(3.14159),
        lambda m: m.tensor([1e-10, 1.0]),
        lambda m: m.tensor([1e10, 1.0]),
        lambda m: m.tensor([float("nan"), 1.0, float("inf")]),
        lambda m: m.tensor([float("nan"), float("-inf")]),
        lambda m: m.zeros(2, 3, 4),
        lambda m: m.zeros(0),
        lambda m: m.zeros(0, 3),
        lambda m: m.arange(2000).reshape(20, 100),
        lambda m: m.arange(1001.0),
        lambda m: m.arange(30.0) * 1.37,
        lambda m: m.tensor([1, 2], dtype=m.int32),
        lambda m: m.ones(2, dtype=m.float64),
        lambda m: m.ones(2, requires_grad=True),
        lambda m: m.tensor([1000.0, 0.001]),
        lambda m: m.tensor([100000.0, 2.0]),
    ],
)
def test_text_is_the_one_of_torch(make):
    torch = pytest.importorskip("torch")
    assert repr(make(mt)).replace("minitorch.", "torch.") == repr(make(torch))


def test_python_numbers():
    assert int(mt.tensor(3.7)) == 3 and float(mt.tensor(2)) == 2.0 and bool(mt.tensor([1]))
    assert [10, 20, 30][mt.tensor(1)] == 20
    assert f"{mt.tensor(1.5):.2f}" == "1.50"
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(mt.ones(2))
    with pytest.raises(RuntimeError, match="2 elements"):
        mt.ones(2).item()
    with pytest.raises(TypeError, match="0-d"):
        len(mt.tensor(1))
    assert len(mt.zeros(3, 2)) == 3


def test_operators_with_numbers_on_the_left():
    x = mt.tensor([1.0, 2.0])
    assert (1 - x).tolist() == [0.0, -1.0] and (2 / x).tolist() == [2.0, 1.0]
    assert (3 + x).tolist() == [4.0, 5.0] and (2**x).tolist() == [2.0, 4.0]
    assert (7 // x).tolist() == [7.0, 3.0] and (5 % x).tolist() == [0.0, 1.0]


def test_comparison_with_foreign_objects():
    x = mt.ones(2)
    assert (x == None) is False and (x != None) is True  # noqa: E711
    assert (x == "a") is False
    with pytest.raises(TypeError):
        x + "a"


def test_size():
    s = mt.zeros(2, 3).shape
    assert s == (2, 3) and s.numel() == 6 and isinstance(s, tuple) and isinstance(s[:1], mt.Size)
    assert mt.zeros(s + (4,)).shape == (2, 3, 4)
    assert repr(s) == "minitorch.Size([2, 3])"
    assert mt.zeros(2, 3).size(-1) == 3 and mt.zeros(2, 3).size() == s


def test_pickle_and_deepcopy():
    x = mt.arange(6.0).reshape(2, 3).t().requires_grad_()
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert y.tolist() == x.tolist() and y.requires_grad and y.dtype is x.dtype
        assert y.data_ptr() != x.data_ptr()
    assert pickle.loads(pickle.dumps(mt.bfloat16)) is mt.bfloat16
    assert pickle.loads(pickle.dumps(mt.device("cpu"))) == mt.device("cpu")
    z = mt.ones(2, dtype=mt.bfloat16)
    assert pickle.loads(pickle.dumps(z)).dtype is mt.bfloat16
    with pytest.raises(RuntimeError, match="leaves"):
        copy.deepcopy(x * 2)


def test_attributes_and_weak_references():
    import weakref

    x = mt.ones(2)
    x.note = "kept"
    watch = weakref.ref(x)
    assert x.note == "kept" and watch() is x
    del x
    assert watch() is None


def test_legacy_types():
    assert mt.FloatTensor(2, 3).dtype is mt.float32
    assert mt.LongTensor([1, 2]).tolist() == [1, 2]
    assert mt.Tensor([1, 2]).dtype is mt.float32 and mt.Tensor(2, 3).shape == (2, 3)
    assert isinstance(mt.ones(1), mt.FloatTensor) and not isinstance(mt.ones(1), mt.LongTensor)
    assert mt.ones(1).type() == "minitorch.FloatTensor"


def test_dtypes():
    assert mt.float32.is_floating_point and not mt.int64.is_floating_point
    assert mt.float32.itemsize == 4 and repr(mt.float32) == "minitorch.float32"
    assert mt.finfo(mt.float32).eps == 2**-23 and mt.iinfo(mt.int8).min == -128
    assert mt.get_default_dtype() is mt.float32
    mt.set_default_dtype(mt.float64)
    try:
        assert mt.tensor([1.5]).dtype is mt.float64 and mt.zeros(1).dtype is mt.float64
    finally:
        mt.set_default_dtype(mt.float32)
    with pytest.raises(TypeError, match="floating-point"):
        mt.set_default_dtype(mt.int64)


def test_data_and_detach_assignments():
    x = mt.ones(2, requires_grad=True)
    x.data = mt.zeros(3)
    assert x.shape == (3,) and x.requires_grad
    x.data.add_(5)
    assert x.tolist() == [5.0] * 3
    with pytest.raises(RuntimeError, match=r"shape \[2\]"):
        x.grad = mt.ones(2)
    with pytest.raises(TypeError, match="assigned grad"):
        x.grad = 3


def test_too_many_dims():
    with pytest.raises(RuntimeError, match="at most 16"):
        mt.zeros([1] * 17)
