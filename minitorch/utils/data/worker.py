"""What a DataLoader's worker process runs."""

from __future__ import annotations

import sys

import minitorch

from .dataset import IterableDataset, Subset, TensorDataset
from .transport import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from typing import Any

    from .transport import SharedMemory

_PARENT_CHECK_S = 5.0


class WorkerInfo:
    """Facts about this worker: ``id``, ``num_workers``, ``seed`` and its copy of the ``dataset``."""

    def __init__(self, id: int, num_workers: int, seed: int, dataset: Any) -> None:
        self.id = id
        self.num_workers = num_workers
        self.seed = seed
        self.dataset = dataset

    def __repr__(self) -> str:
        return f"WorkerInfo(id={self.id}, num_workers={self.num_workers}, seed={self.seed})"


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """The :class:`WorkerInfo` of this DataLoader worker, or None in the main process."""
    return _worker_info


class Fetcher:
    """Reads samples and collates them.

    Args:
        dataset: map-style or iterable dataset.
        collate_fn: from a list of samples (or from one sample, without automatic batching) to a batch.
        batch_size: samples per batch of a stream; None without automatic batching.
        batched: whether indices come in lists.
        drop_last: whether a stream's last, smaller batch is dropped.
    """

    def __init__(
        self,
        dataset: Any,
        collate_fn: Callable[[Any], Any],
        batch_size: int | None,
        batched: bool,
        drop_last: bool,
    ) -> None:
        self.dataset = dataset
        self.collate_fn = collate_fn
        self.batch_size = batch_size
        self.batched = batched
        self.drop_last = drop_last
        self.iterable = isinstance(dataset, IterableDataset)
        self._stream: Iterator[Any] | None = None
        self._whole_batch = _whole_batch_reader(dataset, collate_fn) if batched else None
        self._samples = getattr(dataset, "__getitems__", None)

    def start_epoch(self) -> None:
        if self.iterable:
            self._stream = iter(self.dataset)

    def fetch(self, index: Any) -> Any:
        """The batch of an index list (a stream's next batch if it is None).

        Raises:
            StopIteration: at the end of a stream.
        """
        if self.iterable:
            return self._fetch_stream()
        if self._whole_batch is not None:
            return self._whole_batch(index)
        if not self.batched:
            return self.collate_fn(self.dataset[index])
        if self._samples is not None:
            return self.collate_fn(self._samples(index))
        return self.collate_fn([self.dataset[i] for i in index])

    def _fetch_stream(self) -> Any:
        stream = self._stream
        if stream is None:
            raise StopIteration
        if not self.batched:
            return self.collate_fn(next(stream))
        samples: list[Any] = []
        for sample in stream:
            samples.append(sample)
            if len(samples) == self.batch_size:
                return self.collate_fn(samples)
        self._stream = None
        if not samples or self.drop_last:
            raise StopIteration
        return self.collate_fn(samples)


def _whole_batch_reader(dataset: Any, collate_fn: Any) -> Callable[[list[int]], Any] | None:
    """The way to read a batch of a TensorDataset in one gather, where that gives the same batch."""
    from .collate import default_collate

    if collate_fn is not default_collate:
        return None
    if type(dataset) is TensorDataset:
        return dataset._collated
    if type(dataset) is Subset:
        inner = _whole_batch_reader(dataset.dataset, collate_fn)
        if inner is not None:
            return lambda indices: inner([dataset.indices[i] for i in indices])
    return None


def seed_everything(seed: int) -> None:
    """Seed minitorch's, Python's and (where it is in use) NumPy's global generators."""
    import random

    minitorch.manual_seed(seed)
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed([seed & 0xFFFFFFFF, seed >> 32])


def batch_seed(base_seed: int, batch: int) -> int:
    """A seed for one batch of an epoch: one step of the splitmix64 sequence."""
    mask = 2**64 - 1
    z = (base_seed + (batch + 1) * 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return (z ^ (z >> 31)) >> 2


class WorkerError:
    """An exception on its way to the parent: its type where that can be pickled, and its traceback's text."""

    def __init__(self, worker_id: int, error: BaseException) -> None:
        import pickle
        import traceback

        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.text = f"Caught {type(error).__name__} in DataLoader worker {worker_id}.\n{text}"
        self.type: type[BaseException] = type(error)
        try:
            pickle.dumps(self.type)
        except Exception:
            self.type = RuntimeError

    def reraise(self) -> None:
        # KeyError prints the repr of its argument; a str whose repr is its text keeps the lines readable.
        message = _PlainText(self.text)
        if not issubclass(self.type, Exception):
            raise RuntimeError(message)
        try:
            error = self.type(message)
        except Exception:
            error = RuntimeError(message)
        if isinstance(error, StopIteration):
            error = RuntimeError(message)
        raise error


class _PlainText(str):
    def __repr__(self) -> str:
        return str(self)


class WorkerSpec:
    """All that a worker needs, picklable for the spawn start method."""

    def __init__(
        self,
        worker_id: int,
        num_workers: int,
        base_seed: int,
        fetcher: Fetcher,
        init_fn: Callable[[int], None] | None,
        slots: list[SharedMemory],
        parent: int,
    ) -> None:
        self.worker_id = worker_id
        self.num_workers = num_workers
        self.base_seed = base_seed
        self.fetcher = fetcher
        self.init_fn = init_fn
        self.slots = slots
        self.parent = parent

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        fetcher = (
            self.fetcher
        )  # bound methods and lambdas inside it are made anew on the other side
        state["fetcher"] = (
            fetcher.dataset,
            fetcher.collate_fn,
            fetcher.batch_size,
            fetcher.batched,
            fetcher.drop_last,
        )
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.fetcher = Fetcher(*state["fetcher"])


def worker_main(spec: WorkerSpec, connection: Connection, inherited: list[Connection]) -> None:
    """Answer the parent's requests until it sends None or is gone.

    Requests are ``("epoch", number, base_seed)`` and ``("fetch", epoch, slot, index, batch)``; only the
    latter are answered, with ``(epoch, slot, kind, value)``.
    """
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it, too, and ends the workers
    for other in inherited:
        other.close()
    minitorch.set_num_threads(1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    requests = _Requests(connection, spec.parent)
    fetcher = spec.fetcher
    failure = _set_up(spec)
    base_seed, ended = spec.base_seed, False
    while (request := requests.get()) is not None:
        if request[1] != requests.epoch:  # the parent has given this epoch up
            continue
        if request[0] == "epoch":
            _, epoch, base_seed = request
            ended = False
            try:
                fetcher.start_epoch()
            except Exception as error:
                failure = WorkerError(spec.worker_id, error)
            continue
        _, epoch, slot, index, batch = request
        kind, value = "batch", b""
        if failure is not None:
            kind, value = "error", _dump(failure)
        elif ended:
            kind = "end"
        else:
            if spec.init_fn is None and not fetcher.iterable:
                seed_everything(batch_seed(base_seed, batch))
            try:
                value = pack(fetcher.fetch(index), spec.slots[slot])
            except StopIteration as error:
                if fetcher.iterable:
                    kind, ended = "end", True
                else:
                    kind, value = "error", _dump(WorkerError(spec.worker_id, error))
            except Exception as error:
                kind, value = "error", _dump(WorkerError(spec.worker_id, error))
        try:
            connection.send((epoch, slot, kind, value))
        except (BrokenPipeError, ConnectionResetError):
            return


def _set_up(spec: WorkerSpec) -> WorkerError | None:
    global _worker_info
    seed = spec.base_seed + spec.worker_id
    _worker_info = WorkerInfo(spec.worker_id, spec.num_workers, seed, spec.fetcher.dataset)
    seed_everything(seed)
    try:
        if spec.init_fn is not None:
            spec.init_fn(spec.worker_id)
    except Exception as error:
        return WorkerError(spec.worker_id, error)
    return None


def _dump(error: WorkerError) -> bytes:
    import pickle

    return pickle.dumps(error)


class _Requests:
    """Queue of the parent's requests, filled by a thread, so that the parent never waits in its send.

    ``epoch`` is the number of the newest epoch asked for; -1 once the parent wants this worker to end.
    """

    def __init__(self, connection: Connection, parent: int) -> None:
        import queue
        import threading

        self.epoch = 0
        self._connection = connection
        self._parent = parent
        self._queue: Any = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def get(self) -> Any:
        return self._queue.get()

    def _read(self) -> None:
        import os

        request = None
        try:
            while True:
                while not self._connection.poll(_PARENT_CHECK_S):
                    if os.getppid() != self._parent:
                        os._exit(1)
                request = self._connection.recv()
                if request is None:
                    break
                if request[0] == "epoch":
                    self.epoch = request[1]
                self._queue.put(request)
        except (EOFError, OSError):
            pass
        self.epoch = -1
        self._queue.put(None)
