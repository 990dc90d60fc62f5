"""The DataLoader in one process: order, batching, options, resume."""

from __future__ import annotations

import pytest

import minitorch
from minitorch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
)


class Rows(Dataset):
    """Sample i is i; counts how often it is read."""

    def __init__(self, size=10):
        self.size, self.reads = size, []

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        self.reads.append(i)
        return i


class Stream(IterableDataset):
    def __init__(self, size):
        self.size = size

    def __iter__(self):
        return iter(range(self.size))

    def __len__(self):
        return self.size


def lists(loader):
    return [batch.tolist() for batch in loader]


def test_batches_in_order():
    assert lists(DataLoader(Rows(5), batch_size=2)) == [[0, 1], [2, 3], [4]]
    assert lists(DataLoader(Rows(5), batch_size=2, drop_last=True)) == [[0, 1], [2, 3]]
    assert lists(DataLoader(Rows(2))) == [[0], [1]]
    assert len(DataLoader(Rows(5), 2)) == 3 and len(DataLoader(Rows(5), 2, drop_last=True)) == 2


def test_plain_lists_are_datasets():
    batches = list(DataLoader([(1.0, "a"), (2.0, "b")], batch_size=2))
    assert batches[0][0].tolist() == [1.0, 2.0] and batches[0][1] == ["a", "b"]


def test_no_batching():
    assert list(DataLoader(Rows(3), batch_size=None)) == [0, 1, 2]
    assert len(DataLoader(Rows(3), batch_size=None)) == 3


def test_shuffle_is_seeded():
    loader = DataLoader(Rows(40), 7, shuffle=True)
    minitorch.manual_seed(0)
    first, second = lists(loader), lists(loader)
    assert sorted(sum(first, [])) == list(range(40)) and first != second
    minitorch.manual_seed(0)
    assert [lists(loader), lists(loader)] == [first, second]


def test_own_generator_leaves_the_global_one_alone():
    g = minitorch.Generator()
    g.manual_seed(1)
    before = minitorch.get_rng_state().tolist()
    lists(DataLoader(Rows(9), 2, shuffle=True, generator=g))
    assert minitorch.get_rng_state().tolist() == before


def test_samplers():
    assert lists(DataLoader(Rows(), 2, sampler=[3, 1, 4])) == [[3, 1], [4]]
    assert lists(DataLoader(Rows(), batch_sampler=[[1, 2], [9]])) == [[1, 2], [9]]
    sampler = BatchSampler(range(4), 3, False)
    assert DataLoader(Rows(), batch_sampler=sampler).batch_size is None


def test_collate_fn():
    assert list(DataLoader(Rows(4), 2, collate_fn=sum)) == [1, 5]


def test_getitems_reads_a_batch_at_once():
    class Bulk(Rows):
        def __getitems__(self, indices):
            return [10 * i for i in indices]

    assert lists(DataLoader(Bulk(3), 2)) == [[0, 10], [20]]


def test_tensor_dataset_gather_equals_stacking():
    x, y = minitorch.randn(11, 3), minitorch.arange(11)
    dataset = Subset(TensorDataset(x, y), [4, 1, 9, 10, 0])
    for fast, slow in zip(
        DataLoader(dataset, 2), DataLoader(dataset, 2, collate_fn=lambda s: default_collate(s))
    ):
        assert isinstance(fast, list)
        assert all(a.tolist() == b.tolist() for a, b in zip(fast, slow, strict=True))


def test_iterable():
    assert lists(DataLoader(Stream(5), 2)) == [[0, 1], [2, 3], [4]]
    assert lists(DataLoader(Stream(5), 2, drop_last=True)) == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream(3), None)) == [0, 1, 2]
    assert len(DataLoader(Stream(5), 2)) == 3
    loader = DataLoader(Stream(3), 2)
    assert lists(loader) == lists(loader)


@pytest.mark.parametrize(
    "options, text",
    [
        ({"num_workers": -1}, "num_workers"),
        ({"timeout": -1}, "timeout"),
        ({"prefetch_factor": 2}, "prefetch_factor"),
        ({"persistent_workers": True}, "persistent_workers"),
        ({"sampler": [1], "shuffle": True}, "exclude"),
        ({"batch_sampler": [[1]], "drop_last": True}, "batch_sampler"),
        ({"batch_size": None, "drop_last": True}, "drop_last"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_bad_options(options, text):
    with pytest.raises(ValueError, match=text):
        DataLoader(Rows(), **options)


def test_stream_has_no_sampler():
    with pytest.raises(ValueError, match="IterableDataset"):
        DataLoader(Stream(3), shuffle=True)


def loaders():
    g = minitorch.Generator()
    g.manual_seed(8)
    h = minitorch.Generator()
    h.manual_seed(9)
    return {
        "global": DataLoader(Rows(23), 4, shuffle=True),
        "own": DataLoader(Rows(23), 4, shuffle=True, generator=g),
        "sampler": DataLoader(Rows(23), 4, sampler=RandomSampler(range(23), generator=h)),
        "weighted": DataLoader(Rows(23), 4, sampler=WeightedRandomSampler([1.0] * 23, 23)),
    }


@pytest.mark.parametrize("name", ["global", "own", "sampler", "weighted"])
@pytest.mark.parametrize("done", [0, 1, 3, 6])
def test_resume_in_the_middle(name, done):
    minitorch.manual_seed(0)
    loader = loaders()[name]
    batches = iter(loader)
    for _ in range(done):
        next(batches)
        minitorch.rand(3)  # what a training step draws
    state, rng = loader.state_dict(), minitorch.get_rng_state()
    assert state["position"] == done
    expected = [b.tolist() for b in batches] + lists(loader)

    minitorch.manual_seed(99)
    resumed = loaders()[name]
    resumed.load_state_dict(state)
    minitorch.set_rng_state(rng)
    resumed.dataset.reads.clear()
    rest = lists(resumed)
    assert len(resumed.dataset.reads) == 23 - 4 * done if done < 6 else not resumed.dataset.reads
    assert rest + lists(resumed) == expected


def test_resume_between_epochs():
    loader = loaders()["own"]
    lists(loader)
    state = loader.state_dict()
    expected = lists(loader)
    resumed = loaders()["own"]
    resumed.load_state_dict(state)
    assert lists(resumed) == expected


def test_resume_stream():
    loader = DataLoader(Stream(7), 2)
    batches = iter(loader)
    next(batches), next(batches)
    resumed = DataLoader(Stream(7), 2)
    resumed.load_state_dict(loader.state_dict())
    assert lists(resumed) == [[4, 5], [6]]


def test_resume_needs_the_same_generators():
    with pytest.raises(ValueError, match="generators"):
        loaders()["global"].load_state_dict(loaders()["own"].state_dict())
