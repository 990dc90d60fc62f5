"""The DataLoader: batches of a dataset, in this process or in worker processes."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import minitorch

from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler, draw_seed
from .worker import Fetcher, get_worker_info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from .dataset import Dataset
    from .pool import WorkerPool
    from .sampler import Sampler

T_co = TypeVar("T_co", covariant=True)

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]


class DataLoader(Generic[T_co]):
    """Iterable over the batches of a dataset.

    With ``num_workers > 0`` batches are made in processes and arrive in the sampler's order; the bytes
    travel through anonymous shared memory, which the size of /dev/shm does not limit. Unless a
    ``worker_init_fn`` is given, a worker seeds the global generators (minitorch, random, numpy) anew for each
    batch, so random augmentation does not depend on how many workers there are.

    Args:
        dataset: map-style or iterable dataset.
        batch_size: samples per batch; None hands out single samples.
        shuffle: whether to draw a new order each epoch.
        sampler: source of indices, instead of shuffle.
        batch_sampler: source of lists of indices, instead of batch_size, shuffle, sampler and drop_last.
        num_workers: number of worker processes; 0 loads in this process.
        collate_fn: from a list of samples to a batch.
        pin_memory: whether to copy batches to page-locked memory where there is a GPU.
        drop_last: whether to drop a last batch that is smaller.
        timeout: seconds to wait for a worker's batch; 0 waits forever.
        worker_init_fn: called in each worker with its number, after seeding.
        multiprocessing_context: context or start method; "fork" by default on Linux.
        generator: source of the order and of the workers' seeds; None is the global generator.
        prefetch_factor: batches each worker has under way; 2 by default.
        persistent_workers: whether workers live on from one epoch to the next.
        pin_memory_device: accepted for compatibility.
    """

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: minitorch.Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
    ) -> None:
        if num_workers < 0:
            raise ValueError(f"DataLoader: num_workers must not be negative, got {num_workers}")
        if timeout < 0:
            raise ValueError(f"DataLoader: timeout must not be negative, got {timeout}")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError("DataLoader: prefetch_factor needs num_workers > 0")
        if num_workers == 0 and persistent_workers:
            raise ValueError("DataLoader: persistent_workers needs num_workers > 0")
        if prefetch_factor is not None and prefetch_factor < 1:
            raise ValueError(f"DataLoader: prefetch_factor must be positive, got {prefetch_factor}")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler and shuffle exclude each other")
        if batch_sampler is not None and (
            batch_size != 1 or shuffle or sampler is not None or drop_last
        ):
            raise ValueError(
                "DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last"
            )
        iterable = isinstance(dataset, IterableDataset)
        if iterable and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError(
                "DataLoader: an IterableDataset sets its own order; leave out shuffle, sampler and "
                "batch_sampler"
            )
        if batch_sampler is None and batch_size is None and drop_last:
            raise ValueError("DataLoader: drop_last needs a batch_size")

        self.dataset = dataset
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self.drop_last = drop_last
        self.sampler: Any = sampler
        self.batch_sampler: Any = batch_sampler
        self.batch_size = batch_size
        if batch_sampler is not None:
            self.batch_size = None
            self.sampler = getattr(batch_sampler, "sampler", None)
        elif not iterable:
            if sampler is None:
                self.sampler = (
                    RandomSampler(dataset, generator=generator)  # type: ignore[arg-type]
                    if shuffle
                    else SequentialSampler(dataset)  # type: ignore[arg-type]
                )
            if batch_size is not None:
                self.batch_sampler = BatchSampler(self.sampler, batch_size, drop_last)
        self._batched = self.batch_sampler is not None or (iterable and batch_size is not None)
        self.collate_fn = collate_fn or (default_collate if self._batched else default_convert)
        self._iterable = iterable
        self._pool: WorkerPool | None = None
        self._pool_epoch = 0
        self._position = 0
        self._epoch_start: list[Any] | None = None
        self._resume: dict[str, Any] | None = None
        self._iterator_id: object = None

    def __iter__(self) -> Iterator[Any]:
        resume, self._resume = self._resume, None
        if resume is None:
            self._epoch_start = self._generator_states()
            return self._new_iterator(0)
        # Replay the draws of the interrupted epoch's start, and leave the global generator as it is now.
        now = minitorch.get_rng_state()
        try:
            self._epoch_start = list(resume["generators"])
            self._set_generator_states(self._epoch_start)
            return self._new_iterator(resume["position"])
        finally:
            minitorch.set_rng_state(now)

    def __len__(self) -> int:
        if self._iterable:
            count = len(self.dataset)  # type: ignore[arg-type]
            if self.batch_size is None:
                return count
            return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
        return len(self.batch_sampler if self.batch_sampler is not None else self.sampler)

    def state_dict(self) -> dict[str, Any]:
        """Where the current epoch stands, for an exact resume.

        Returns:
            ``position``, the number of batches handed out in this epoch (0 between epochs), and
            ``generators``, the generators' states at its start (or now, between epochs).
        """
        running = self._epoch_start is not None
        states = self._epoch_start if self._epoch_start is not None else self._generator_states()
        return {"running": running, "position": self._position, "generators": states}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next iteration go on where ``state`` was taken.

        The batches already handed out are skipped without loading their samples (a stream has to be read
        again). The global generator is left as it is; restore it with ``minitorch.set_rng_state``.
        """
        if len(state["generators"]) != len(self._generators()) + 1:
            raise ValueError(
                f"DataLoader.load_state_dict: the state has {len(state['generators']) - 1} generators of "
                f"its own, this loader {len(self._generators())}; build it as it was when it was saved"
            )
        if state["running"]:
            self._resume = state
        else:
            self._resume = None
            for generator, saved in zip(self._generators(), state["generators"][1:], strict=True):
                generator.set_state(saved)

    def _generators(self) -> list[Any]:
        """The generators other than the global one that decide this loader's order."""
        found: list[Any] = []
        for owner in (self, self.sampler, self.batch_sampler):
            generator = getattr(owner, "generator", None)
            if generator is not None and all(generator is not g for g in found):
                found.append(generator)
        return found

    def _generator_states(self) -> list[Any]:
        return [minitorch.get_rng_state(), *(g.get_state() for g in self._generators())]

    def _set_generator_states(self, states: list[Any]) -> None:
        minitorch.set_rng_state(states[0])
        for generator, state in zip(self._generators(), states[1:], strict=True):
            generator.set_state(state)

    def _fetcher(self) -> Fetcher:
        return Fetcher(
            self.dataset, self.collate_fn, self.batch_size, self._batched, self.drop_last
        )

    def _new_iterator(self, position: int) -> _Iterator:
        self._position = position
        if self.num_workers == 0:
            return _SerialIterator(self, position)
        return _WorkerIterator(self, position)

    def _start_pool(self, base_seed: int) -> WorkerPool:
        if self._pool is not None and not self._pool.closed:
            return self._pool
        from .pool import WorkerPool

        pool = WorkerPool(
            self._fetcher(),
            self.num_workers,
            self.prefetch_factor or 1,
            base_seed,
            self.worker_init_fn,
            self.multiprocessing_context,
            self.timeout,
        )
        if self.persistent_workers:
            import weakref

            self._pool = pool
            weakref.finalize(self, pool.close)
        return pool


class _Iterator:
    """One epoch: the indices, and how many batches have been handed out."""

    def __init__(self, loader: DataLoader[Any], position: int) -> None:
        self._loader = loader
        self._pin = loader.pin_memory and minitorch.cuda.is_available()
        self._base_seed = draw_seed(loader.generator)
        self._indices: Iterator[Any] | None = None
        if not loader._iterable:
            source = loader.batch_sampler if loader.batch_sampler is not None else loader.sampler
            self._indices = iter(source)
            for _ in range(position):
                next(self._indices, None)
        self._position = position
        loader._iterator_id = self._id = object()

    def __iter__(self) -> _Iterator:
        return self

    def __len__(self) -> int:
        return len(self._loader)

    def __next__(self) -> Any:
        loader = self._loader
        try:
            batch = self._next()
        except StopIteration:
            if loader._iterator_id is self._id:
                loader._epoch_start, loader._position = None, 0
            raise
        self._position += 1
        if loader._iterator_id is self._id:
            loader._position = self._position
        return _pin(batch) if self._pin else batch

    def _next(self) -> Any:
        raise NotImplementedError

    def _prime(self) -> None:
        """Draw the first index now, so that the order is fixed before the global generator moves on."""
        if self._indices is not None:
            from itertools import chain

            first = next(self._indices, None)
            self._indices = iter(()) if first is None else chain([first], self._indices)


class _SerialIterator(_Iterator):
    def __init__(self, loader: DataLoader[Any], position: int) -> None:
        super().__init__(loader, position)
        self._prime()
        self._fetcher = loader._fetcher()
        self._fetcher.start_epoch()
        if self._indices is None:
            for _ in range(position):
                self._next()

    def _next(self) -> Any:
        if self._indices is None:
            return self._fetcher.fetch(None)
        return self._fetcher.fetch(next(self._indices))


class _WorkerIterator(_Iterator):
    def __init__(self, loader: DataLoader[Any], position: int) -> None:
        super().__init__(loader, position)
        self._pool = loader._start_pool(self._base_seed)
        if not loader.persistent_workers:
            import weakref

            weakref.finalize(self, self._pool.close)
        loader._pool_epoch += 1
        self._epoch = loader._pool_epoch
        self._batch = position if self._indices is not None else 0
        self._sent = [0] * loader.num_workers
        self._waiting: deque[int] = deque()  # the worker of each batch under way, in order
        for worker in range(loader.num_workers):
            self._pool.send(worker, ("epoch", self._epoch, self._base_seed))
        for _ in range(loader.prefetch_factor or 1):
            for worker in range(loader.num_workers):
                self._request(worker)
        if self._indices is None:
            for _ in range(position):
                self._next()

    def _request(self, worker: int) -> None:
        index = None
        if self._indices is not None:
            try:
                index = next(self._indices)
            except StopIteration:
                return
        slot = self._sent[worker] % (self._loader.prefetch_factor or 1)
        self._pool.send(worker, ("fetch", self._epoch, slot, index, self._batch))
        self._sent[worker] += 1
        self._batch += 1
        self._waiting.append(worker)

    def _next(self) -> Any:
        while self._waiting:
            worker = self._waiting.popleft()
            try:
                kind, value = self._pool.receive(worker, self._epoch)
            except BaseException:
                self._waiting.clear()
                self._pool.close()
                raise
            if kind == "end":
                continue
            self._request(worker)
            if kind == "error":
                value.reraise()
            return value
        if not self._loader.persistent_workers:
            self._pool.close()
        raise StopIteration


def _pin(data: Any) -> Any:
    if isinstance(data, minitorch.Tensor):
        return data.pin_memory()
    if isinstance(data, dict):
        return {key: _pin(value) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(_pin(value) for value in data))
    if isinstance(data, (list, tuple)):
        return type(data)(_pin(value) for value in data)
    return data
