"""The sampler that gives each of several processes its own part of the dataset."""

from __future__ import annotations

import minitorch

from .sampler import Sampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sized


class DistributedSampler(Sampler[int]):
    """Every ``num_replicas``-th index of a shuffled order that all processes share.

    Args:
        dataset: dataset to sample from.
        num_replicas: number of processes.
        rank: this process's number, 0 to num_replicas - 1.
        shuffle: whether to shuffle; the order depends on seed and epoch only.
        seed: the same in all processes.
        drop_last: drop the tail so that the parts are equal; otherwise indices repeat to fill them.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise ValueError("DistributedSampler: give num_replicas and rank explicitly")
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"DistributedSampler: rank {rank} must lie in [0, {num_replicas - 1}] "
                f"for num_replicas={num_replicas}"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.epoch = 0
        size = len(dataset)
        self.num_samples = size // num_replicas if drop_last else -(-size // num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        size = len(self.dataset)
        if self.shuffle:
            generator = minitorch.Generator()
            generator.manual_seed(self.seed + self.epoch)
            order = minitorch.randperm(size, generator=generator).tolist()
        else:
            order = list(range(size))
        if len(order) < self.total_size:
            repeats = -(-self.total_size // max(size, 1))
            order = order * repeats
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch number, so that each epoch has its own order."""
        self.epoch = epoch
