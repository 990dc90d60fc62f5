"""The DataLoader with worker processes: the same batches, and an end to every kind of failure."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import time
import weakref
from collections import namedtuple

import numpy as np
import pytest

import minitorch
from minitorch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info
from minitorch.utils.data.transport import SharedMemory, pack, unpack

Pair = namedtuple("Pair", "x y")


class Mixed(Dataset):
    def __len__(self):
        return 21

    def __getitem__(self, i):
        return {
            "t": minitorch.full((3,), float(i)),
            "n": np.full((2,), i, np.int16),
            "p": Pair(i, str(i)),
        }


class Noise(Dataset):
    def __len__(self):
        return 16

    def __getitem__(self, i):
        return minitorch.rand(2), random.random(), np.random.rand()


class Info(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, i):
        info = get_worker_info()
        return info.id, info.num_workers, info.seed, os.getpid()


class Sharded(IterableDataset):
    def __init__(self, size):
        self.size = size

    def __iter__(self):
        info = get_worker_info()
        return iter(range(info.id, self.size, info.num_workers))


class Fails(Dataset):
    def __init__(self, action):
        self.action = action

    def __len__(self):
        return 12

    def __getitem__(self, i):
        if i == 7:
            self.action()
        return i


def flat(batches):
    return [
        (b["t"].tolist(), b["n"].tolist(), b["p"].x.tolist(), b["p"].y, type(b["p"]).__name__)
        for b in batches
    ]


@pytest.mark.parametrize("workers, prefetch", [(1, 1), (2, None), (3, 4)])
def test_same_batches_as_without_workers(workers, prefetch):
    def run(**options):
        minitorch.manual_seed(5)
        loader = DataLoader(Mixed(), 4, shuffle=True, **options)
        return [flat(loader), flat(loader)]

    assert run(num_workers=workers, prefetch_factor=prefetch) == run()


def test_spawn():
    loader = DataLoader(Mixed(), 7, num_workers=1, multiprocessing_context="spawn")
    assert flat(loader) == flat(DataLoader(Mixed(), 7))


def test_random_numbers_are_seeded_and_distinct():
    def run(workers, seed=3):
        minitorch.manual_seed(seed)
        loader = DataLoader(Noise(), 2, num_workers=workers)
        return [[part.tolist() for part in b] for b in loader]

    first = run(2)
    assert first == run(2) == run(3), "augmentation must not depend on the number of workers"
    assert first != run(2, seed=4)
    numbers = [n for b in first for n in b[1]] + [n for b in first for row in b[0] for n in row]
    assert len(set(numbers)) == len(numbers)


def test_epochs_differ():
    loader = DataLoader(Noise(), 2, num_workers=2, persistent_workers=True)
    first, second = ([b[0].tolist() for b in loader] for _ in range(2))
    assert first != second


def test_worker_info():
    assert get_worker_info() is None
    g = minitorch.Generator()
    g.manual_seed(0)
    batches = list(DataLoader(Info(), 1, num_workers=2, generator=g))
    ids = [b[0].item() for b in batches]
    assert ids == [0, 1] * 4 and {b[1].item() for b in batches} == {2}
    assert batches[1][2].item() == batches[0][2].item() + 1
    assert os.getpid() not in {b[3].item() for b in batches}


def test_worker_init_fn():
    def init(worker):
        minitorch.manual_seed(worker)

    batches = [b[0].tolist() for b in DataLoader(Noise(), 2, num_workers=2, worker_init_fn=init)]
    minitorch.manual_seed(0)
    assert batches[0] == [minitorch.rand(2).tolist(), minitorch.rand(2).tolist()]


def test_persistent_workers_stay_the_same():
    loader = DataLoader(Info(), 1, num_workers=2, persistent_workers=True)
    first, second = ({b[3].item() for b in loader} for _ in range(2))
    assert first == second and len(first) == 2
    plain = DataLoader(Info(), 1, num_workers=2)
    first, second = ({b[3].item() for b in plain} for _ in range(2))
    assert not first & second


def test_persistent_workers_after_a_break():
    loader = DataLoader(Mixed(), 2, num_workers=2, persistent_workers=True)
    for _ in loader:
        break
    assert flat(loader) == flat(DataLoader(Mixed(), 2))


def test_streams():
    loader = DataLoader(Sharded(7), 2, num_workers=2)
    batches = [b.tolist() for b in loader]
    assert batches == [[0, 2], [1, 3], [4, 6], [5]]
    dropped = [b.tolist() for b in DataLoader(Sharded(7), 2, num_workers=2, drop_last=True)]
    assert dropped == [[0, 2], [1, 3], [4, 6]]


def test_resume_with_workers():
    def loader():
        return DataLoader(Noise(), 3, shuffle=True, num_workers=2)

    minitorch.manual_seed(1)
    whole = loader()
    batches = iter(whole)
    next(batches), next(batches)
    state = whole.state_dict()
    expected = [b[0].tolist() for b in batches]
    minitorch.manual_seed(77)
    resumed = loader()
    resumed.load_state_dict(state)
    assert [b[0].tolist() for b in resumed] == expected


class Odd(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


@pytest.mark.parametrize(
    "error, expected",
    [(KeyError("k"), KeyError), (ValueError("v"), ValueError), (Odd(1, 2), RuntimeError)],
)
def test_error_keeps_its_type_and_traceback(error, expected):
    def action():
        raise error

    with pytest.raises(expected) as caught:
        list(DataLoader(Fails(action), 2, num_workers=2))
    text = str(caught.value)
    assert "DataLoader worker 1" in text and "in action" in text and "\n" in text


def test_error_in_init_fn():
    def init(worker):
        raise ValueError("no licence")

    with pytest.raises(ValueError, match="no licence"):
        list(DataLoader(Mixed(), 2, num_workers=2, worker_init_fn=init))


def test_iteration_goes_on_after_an_error():
    def action():
        raise ValueError

    batches = iter(DataLoader(Fails(action), 3, num_workers=2))
    seen = [next(batches).tolist(), next(batches).tolist()]
    with pytest.raises(ValueError):
        next(batches)
    assert [*seen, next(batches).tolist()] == [[0, 1, 2], [3, 4, 5], [9, 10, 11]]


def test_killed_worker_is_reported():
    dataset = Fails(lambda: os.kill(os.getpid(), signal.SIGKILL))
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"exit code -9 \(killed by SIGKILL\)"):
        list(DataLoader(dataset, 2, num_workers=2))
    assert time.monotonic() - start < 20


def test_exiting_worker_is_reported():
    with pytest.raises(RuntimeError, match="exit code 3"):
        list(DataLoader(Fails(lambda: os._exit(3)), 2, num_workers=2))


def test_timeout():
    with pytest.raises(RuntimeError, match=r"timed out.*0\.2 s"):
        list(DataLoader(Fails(lambda: time.sleep(60)), 2, num_workers=2, timeout=0.2))


def children():
    with open(f"/proc/{os.getpid()}/task/{os.getpid()}/children") as file:
        return file.read().split()


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")
def test_nothing_is_left_behind():
    list(DataLoader(Mixed(), 2, num_workers=2))  # whatever Python starts once
    before = len(os.listdir("/proc/self/fd")), len(children())
    for _ in range(3):
        for _ in DataLoader(Mixed(), 2, num_workers=2):
            break
        list(DataLoader(Mixed(), 2, num_workers=2))
        with pytest.raises(RuntimeError):
            list(DataLoader(Fails(lambda: os._exit(1)), 2, num_workers=2))
    assert (len(os.listdir("/proc/self/fd")), len(children())) == before


ORPHANS = """
import os, signal, sys, time
from minitorch.utils.data import DataLoader
class D:
    def __len__(self): return 100
    def __getitem__(self, i):
        print(os.getpid(), flush=True)
        return i
# A test run in the background of a shell inherits an ignored SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
it = iter(DataLoader(D(), 1, num_workers=2))
next(it)
os.kill(os.getpid(), {signal})
time.sleep(30)
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])
def test_workers_end_with_their_parent(name):
    code = ORPHANS.format(signal=f"signal.{name}")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode in (-getattr(signal, name), 1)
    workers = {int(pid) for pid in done.stdout.split()}
    assert workers
    deadline = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{pid}") for pid in workers):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)


def test_transport_round_trip():
    memory = SharedMemory()
    batch = [
        minitorch.arange(5),
        minitorch.zeros(0, 3),
        minitorch.tensor(2.5),
        minitorch.tensor([1.5, -2.0], dtype=minitorch.bfloat16),
        minitorch.tensor([True, False]),
        minitorch.arange(6.0).reshape(2, 3).t(),
        np.arange(4.0).reshape(2, 2),
        np.asfortranarray(np.arange(6.0).reshape(2, 3))[:, ::2],
        "text",
    ]
    for scale in (1, 1000):  # the second does not fit into the first's memory
        big = minitorch.arange(10 * scale)
        out = unpack(pack([*batch, big], memory), memory)
        for sent, got in zip([*batch, big], out, strict=True):
            assert type(sent) is type(got)
            if isinstance(sent, str):
                assert sent == got
            else:
                assert sent.dtype == got.dtype and tuple(sent.shape) == tuple(got.shape)
                assert sent.tolist() == got.tolist()
    kept = out[0]
    pack([minitorch.zeros(5)], memory)
    assert kept.tolist() == [0, 1, 2, 3, 4], "a received tensor owns its memory"
    memory.close()


class Holder:
    """A picklable object that can be watched."""

    def __init__(self, tensor):
        self.tensor = tensor


def test_batches_are_freed_at_once():
    memory = SharedMemory()
    gc.disable()
    try:
        sent = Holder(minitorch.ones(3))
        gone = weakref.ref(sent)
        message = pack([sent, np.ones(3)], memory)
        del sent
        assert gone() is None, "the sender keeps a batch until the garbage collector runs"
        received = unpack(message, memory)[0]
        assert received.tensor.tolist() == [1, 1, 1]
        gone = weakref.ref(received)
        del received
        assert gone() is None, "the receiver keeps a batch until the garbage collector runs"
    finally:
        gc.enable()
    memory.close()


def test_big_messages_do_not_deadlock():
    class Strings(Dataset):
        def __len__(self):
            return 60_000

        def __getitem__(self, i):
            return "x" * 20

    total = sum(len(b) for b in DataLoader(Strings(), 20_000, num_workers=1, prefetch_factor=3))
    assert total == 60_000
