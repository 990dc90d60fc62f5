"""Creation functions against torch."""

import pytest

import minitorch as mt


@pytest.mark.parametrize(
    "make",
    [
        lambda m: m.zeros(2, 3),
        lambda m: m.zeros((2, 3), dtype=m.int32),
        lambda m: m.zeros(size=(2,)),
        lambda m: m.ones([2, 2], dtype=m.bool),
        lambda m: m.ones(()),
        lambda m: m.full((2,), 3),
        lambda m: m.full((2,), 2.5),
        lambda m: m.full((2,), True),
        lambda m: m.arange(5),
        lambda m: m.arange(1, 2, 0.3),
        lambda m: m.arange(5, 1, -2),
        lambda m: m.arange(3, dtype=m.float64),
        lambda m: m.arange(2**53, 2**53 + 3),
        lambda m: m.linspace(0, 1, 7),
        lambda m: m.linspace(-3, 10, 5, dtype=m.int64),
        lambda m: m.linspace(2, 2, 1),
        lambda m: m.logspace(0, 2, 3),
        lambda m: m.eye(3),
        lambda m: m.eye(2, 3, dtype=m.int64),
        lambda m: m.zeros_like(m.ones(2, 2)),
        lambda m: m.ones_like(m.zeros(2), dtype=m.int8),
        lambda m: m.full_like(m.zeros(2, dtype=m.int64), 4),
        lambda m: m.ones(2).new_zeros(3),
        lambda m: m.ones(2, dtype=m.float64).new_tensor([1, 2]),
        lambda m: m.scalar_tensor(2),
        lambda m: m.tensor([[1, 2], [3, 4]]),
        lambda m: m.tensor([1, 2.5]),
        lambda m: m.tensor([True, False]),
        lambda m: m.tensor([]),
        lambda m: m.tensor([[], []]),
        lambda m: m.tensor(3),
        lambda m: m.tensor([1.5, -1.5, 300.0], dtype=m.int64),
        lambda m: m.tensor([m.tensor(1.0), m.tensor(2.0)]),
    ],
)
def test_same_as_torch(make):
    torch = pytest.importorskip("torch")
    ours, theirs = make(mt), make(torch)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    assert ours.reshape(-1).tolist() == pytest.approx(theirs.reshape(-1).tolist())


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: mt.tensor([[1, 2], [3]]), ValueError, "length 2 at dim 1"),
        (lambda: mt.tensor(["a"]), TypeError, "must be a number, not str"),
        (lambda: mt.zeros(-1), RuntimeError, "negative dimension -1"),
        (lambda: mt.zeros(2**40, 2**40), RuntimeError, "more elements"),
        (lambda: mt.arange(1, 5, -1), RuntimeError, "arange.*step sign"),
        (lambda: mt.arange(0, 1, 0), RuntimeError, "nonzero"),
        (lambda: mt.zeros(2, dtype=3), TypeError, "minitorch.dtype"),
        (lambda: mt.zeros(2, colour=3), TypeError, "colour"),
        (lambda: mt.zeros(2, device="cuda:99"), RuntimeError, "CUDA"),
        (lambda: mt.device("gpu"), RuntimeError, "gpu"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_out_of_memory_is_an_exception_and_the_process_goes_on():
    with pytest.raises(mt.OutOfMemoryError, match="tried to allocate"):
        mt.empty(2**46)
    mt.cpu.empty_cache()  # a cached block would serve the request
    mt.cpu.set_memory_limit(mt.cpu.memory_stats()["reserved"] + (1 << 20))
    try:
        with pytest.raises(mt.OutOfMemoryError, match="set_memory_limit"):
            mt.empty(1 << 24)
    finally:
        mt.cpu.set_memory_limit(0)
    assert mt.ones(1 << 22).shape == (1 << 22,)


def test_out_argument():
    x = mt.zeros(0)
    assert mt.arange(3, out=x.long()).dtype is mt.int64
    y = mt.zeros(2)
    assert mt.ones(2, out=y) is y and y.tolist() == [1.0, 1.0]


def test_memory_is_reused_and_counted():
    before = mt.cpu.memory_stats()
    x = mt.empty(1 << 18)
    address = x.data_ptr()
    assert address % 64 == 0
    assert mt.cpu.memory_stats()["allocated"] == before["allocated"] + (1 << 20)
    del x
    assert mt.cpu.memory_stats()["allocated"] == before["allocated"]
    assert mt.empty(1 << 18).data_ptr() == address
    mt.cpu.empty_cache()
    assert mt.cpu.memory_stats()["reserved"] <= before["reserved"] + (1 << 21)
