"""Datasets, samplers and collation, against values worked out by hand."""

from __future__ import annotations

from collections import Counter, OrderedDict, namedtuple

import numpy as np
import pytest

import minitorch
from minitorch.utils import data
from minitorch.utils.data.sampler import draw_seed

Point = namedtuple("Point", "x y")


class Squares(data.Dataset):
    def __init__(self, size=10):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        return i * i


class Count(data.IterableDataset):
    def __init__(self, start, stop):
        self.start, self.stop = start, stop

    def __iter__(self):
        return iter(range(self.start, self.stop))

    def __len__(self):
        return self.stop - self.start


def generator(seed):
    g = minitorch.Generator()
    g.manual_seed(seed)
    return g


def test_dataset_without_getitem():
    with pytest.raises(NotImplementedError, match="__getitem__"):
        data.Dataset()[0]


def test_tensor_dataset():
    x = minitorch.arange(12).reshape(4, 3)
    y = minitorch.arange(4)
    dataset = data.TensorDataset(x, y)
    assert len(dataset) == 4
    row, label = dataset[2]
    assert row.tolist() == [6, 7, 8] and label.item() == 2
    with pytest.raises(ValueError, match=r"\[4, 3\]"):
        data.TensorDataset(x, y[:3])


def test_stack_dataset():
    pairs = data.StackDataset(Squares(3), range(3))
    assert [pairs[i] for i in range(len(pairs))] == [(0, 0), (1, 1), (4, 2)]
    named = data.StackDataset(a=Squares(3), b=range(3))
    assert named[2] == {"a": 4, "b": 2}
    with pytest.raises(ValueError, match="sizes"):
        data.StackDataset(Squares(3), Squares(4))
    with pytest.raises(ValueError, match="at least one"):
        data.StackDataset()


def test_concat_dataset():
    both = Squares(3) + Squares(2)
    assert isinstance(both, data.ConcatDataset)
    assert [both[i] for i in range(len(both))] == [0, 1, 4, 0, 1]
    assert both[-1] == 1 and both[-5] == 0
    for bad in (5, -6):
        with pytest.raises(IndexError):
            both[bad]
    with pytest.raises(ValueError):
        data.ConcatDataset([])
    with pytest.raises(TypeError, match="ChainDataset"):
        data.ConcatDataset([Count(0, 3)])


def test_chain_dataset():
    chain = Count(0, 3) + Count(7, 9)
    assert list(chain) == [0, 1, 2, 7, 8] and len(chain) == 5
    with pytest.raises(TypeError):
        data.ChainDataset([Squares(3)])


def test_subset():
    subset = data.Subset(Squares(), [5, 0, 3])
    assert len(subset) == 3 and [subset[i] for i in range(3)] == [25, 0, 9]


@pytest.mark.parametrize("lengths, sizes", [([7, 3], [7, 3]), ([0.5, 0.3, 0.2], [5, 3, 2])])
def test_random_split(lengths, sizes):
    parts = data.random_split(Squares(), lengths, generator=generator(1))
    assert [len(p) for p in parts] == sizes
    assert sorted(i for p in parts for i in p.indices) == list(range(10))
    again = data.random_split(Squares(), lengths, generator=generator(1))
    assert [p.indices for p in parts] == [p.indices for p in again]
    assert [p.indices for p in parts] != [
        p.indices for p in data.random_split(Squares(), lengths, generator=generator(2))
    ]


def test_random_split_remainder_goes_round_robin():
    assert [len(p) for p in data.random_split(Squares(), [1 / 3, 1 / 3, 1 / 3])] == [4, 3, 3]
    assert [len(p) for p in data.random_split(Squares(11), [0.25] * 4)] == [3, 3, 3, 2]


@pytest.mark.parametrize("lengths", [[5, 4], [11, -1], [0.5, 0.4], [5.5, 4.5]])
def test_random_split_rejects(lengths):
    with pytest.raises(ValueError, match="random_split"):
        data.random_split(Squares(), lengths)


def test_sequential_and_random_sampler():
    assert list(data.SequentialSampler(Squares(4))) == [0, 1, 2, 3]
    sampler = data.RandomSampler(Squares(50), generator=generator(0))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(50)) and first != second
    minitorch.manual_seed(4)
    by_seed = list(data.RandomSampler(Squares(50)))
    minitorch.manual_seed(4)
    assert by_seed == list(data.RandomSampler(Squares(50)))


def test_random_sampler_num_samples():
    more = list(data.RandomSampler(Squares(4), num_samples=10))
    assert len(more) == 10 and all(2 <= n <= 3 for n in Counter(more).values())
    drawn = list(data.RandomSampler(Squares(4), replacement=True, num_samples=200))
    assert len(drawn) == 200 and set(drawn) == {0, 1, 2, 3}
    assert list(data.RandomSampler(Squares(0))) == []
    with pytest.raises(ValueError, match="num_samples"):
        data.RandomSampler(Squares(4), num_samples=0)


def test_subset_random_sampler():
    drawn = list(data.SubsetRandomSampler([3, 5, 8], generator=generator(2)))
    assert sorted(drawn) == [3, 5, 8]


def test_weighted_random_sampler():
    sampler = data.WeightedRandomSampler([0.0, 1.0, 3.0], 4000, generator=generator(5))
    counts = Counter(sampler)
    assert counts[0] == 0 and 0.70 < counts[2] / 4000 < 0.80
    once = list(data.WeightedRandomSampler([1.0, 1.0, 1.0], 3, replacement=False))
    assert sorted(once) == [0, 1, 2]
    with pytest.raises(ValueError, match="num_samples"):
        data.WeightedRandomSampler([1.0], 0)
    with pytest.raises(ValueError, match="1-D"):
        data.WeightedRandomSampler([[1.0]], 1)


def test_batch_sampler():
    assert list(data.BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(data.BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert len(data.BatchSampler(range(5), 2, False)) == 3
    assert len(data.BatchSampler(range(5), 2, True)) == 2
    with pytest.raises(ValueError, match="batch_size"):
        data.BatchSampler(range(5), 0, False)


@pytest.mark.parametrize("size, drop_last", [(10, False), (11, False), (11, True), (2, False)])
def test_distributed_sampler(size, drop_last):
    parts = [
        data.DistributedSampler(Squares(size), 4, rank, drop_last=drop_last) for rank in range(4)
    ]
    drawn = [list(p) for p in parts]
    assert {len(d) for d in drawn} == {len(parts[0])} == {size // 4 if drop_last else -(-size // 4)}
    if not drop_last:
        assert {i for d in drawn for i in d} == set(range(size))
    parts[0].set_epoch(1)
    if size > 4:
        assert list(parts[0]) != drawn[0]
    with pytest.raises(ValueError, match="rank"):
        data.DistributedSampler(Squares(), 2, 2)


def test_draw_seed_moves_the_generator():
    g = generator(0)
    assert draw_seed(g) != draw_seed(g)


def test_collate_numbers_and_tensors():
    ints = data.default_collate([1, 2, 3])
    assert ints.dtype == minitorch.int64 and ints.tolist() == [1, 2, 3]
    floats = data.default_collate([1.5, 2.0])
    assert floats.dtype == minitorch.float64 and floats.tolist() == [1.5, 2.0]
    bools = data.default_collate([True, False])
    assert bools.dtype == minitorch.bool
    stacked = data.default_collate([minitorch.zeros(2), minitorch.ones(2)])
    assert stacked.tolist() == [[0, 0], [1, 1]]
    arrays = data.default_collate([np.arange(3, dtype=np.int32), np.ones(3, np.int32)])
    assert arrays.dtype == minitorch.int32 and arrays.tolist() == [[0, 1, 2], [1, 1, 1]]
    scalars = data.default_collate([np.float32(1), np.float32(2)])
    assert scalars.dtype == minitorch.float32 and scalars.shape == (2,)
    doubles = data.default_collate([np.float64(1), np.float64(2)])
    assert doubles.dtype == minitorch.float64


def test_collate_structures():
    batch = data.default_collate([{"a": 1, "b": ("x", 2.0)}, {"a": 3, "b": ("y", 4.0)}])
    assert batch["a"].tolist() == [1, 3]
    assert batch["b"][0] == ["x", "y"] and batch["b"][1].tolist() == [2.0, 4.0]
    point = data.default_collate([Point(1, 2), Point(3, 4)])
    assert isinstance(point, Point) and point.y.tolist() == [2, 4]
    pairs = data.default_collate([(1, 2), (3, 4)])
    assert isinstance(pairs, list) and pairs[0].tolist() == [1, 3]
    ordered = data.default_collate([OrderedDict(a=1), OrderedDict(a=2)])
    assert isinstance(ordered, OrderedDict)
    assert data.default_collate([b"a", b"b"]) == [b"a", b"b"]


def test_collate_rejects():
    with pytest.raises(RuntimeError, match=r"shape.*\(2,\), \(3,\)"):
        data.default_collate([minitorch.zeros(2), minitorch.zeros(3)])
    with pytest.raises(RuntimeError, match="length"):
        data.default_collate([[1, 2], [1]])
    with pytest.raises(TypeError, match="object"):
        data.default_collate([object(), object()])


def test_convert():
    out = data.default_convert(
        {"a": np.ones(2), "b": [np.zeros(1), "s"], "c": Point(np.ones(1), 3)}
    )
    assert isinstance(out["a"], minitorch.Tensor) and isinstance(out["b"][0], minitorch.Tensor)
    assert out["b"][1] == "s" and isinstance(out["c"].x, minitorch.Tensor) and out["c"].y == 3
