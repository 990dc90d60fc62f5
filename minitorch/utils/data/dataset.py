"""Dataset classes: a map-style dataset has ``__getitem__`` and ``__len__``, an iterable one ``__iter__``."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Generic, TypeVar

import minitorch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Map from an index to a sample: subclasses define ``__getitem__`` and usually ``__len__``."""

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Stream of samples: subclasses define ``__iter__``.

    In a worker process, :func:`get_worker_info` says which shard of the stream to produce; a stream that
    ignores it is repeated by every worker.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")

    def __add__(self, other: Dataset[Any]) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset["tuple[minitorch.Tensor, ...]"]):
    """Samples are the tensors' rows: sample i is ``(t[i] for t in tensors)``.

    Args:
        tensors: tensors of the same size in dimension 0.
    """

    def __init__(self, *tensors: minitorch.Tensor) -> None:
        sizes = [t.size(0) for t in tensors]
        if len(set(sizes)) > 1:
            raise ValueError(f"TensorDataset: sizes of dimension 0 differ: {sizes}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[minitorch.Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def _collated(self, indices: Sequence[int]) -> list[minitorch.Tensor]:
        # One gather per tensor gives the bits of default_collate([self[i] for i in indices]).
        index = minitorch.tensor(indices, dtype=minitorch.int64)
        return [t[index] for t in self.tensors]

    def __len__(self) -> int:
        return self.tensors[0].size(0) if self.tensors else 0


class StackDataset(Dataset["Any"]):
    """Samples of several datasets side by side: as tuples, or as dicts if given by keyword."""

    def __init__(self, *args: Dataset[Any], **kwargs: Dataset[Any]) -> None:
        if args and kwargs:
            raise ValueError("StackDataset: give datasets by position or by keyword, not both")
        if not args and not kwargs:
            raise ValueError("StackDataset: give at least one dataset")
        self.datasets: Any = kwargs if kwargs else args
        sizes = [len(d) for d in (kwargs.values() if kwargs else args)]  # type: ignore[arg-type]
        if len(set(sizes)) > 1:
            raise ValueError(f"StackDataset: sizes of the datasets differ: {sizes}")
        self._length = sizes[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {key: d[index] for key, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T_co]):
    """Datasets one after the other."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: datasets is empty")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise TypeError(
                "ConcatDataset needs datasets with a length; chain streams with ChainDataset"
            )
        self.cumulative_sizes = list(accumulate(len(d) for d in self.datasets))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"ConcatDataset: index {index} out of range for {len(self)} samples")
        which = bisect_right(self.cumulative_sizes, position)
        start = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][position - start]


class ChainDataset(IterableDataset["Any"]):
    """Streams one after the other."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = list(datasets)
        if not all(isinstance(d, IterableDataset) for d in self.datasets):
            raise TypeError("ChainDataset takes IterableDatasets only")

    def __iter__(self) -> Iterator[Any]:
        for dataset in self.datasets:
            yield from dataset  # type: ignore[misc]

    def __len__(self) -> int:
        return sum(len(d) for d in self.datasets)  # type: ignore[arg-type]


class Subset(Dataset[T_co]):
    """The samples of a dataset at the given indices."""

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Dataset[Any],
    lengths: Sequence[int | float],
    generator: minitorch.Generator | None = None,
) -> list[Subset[Any]]:
    """Split a dataset at random into non-overlapping subsets.

    Args:
        dataset: dataset with a length.
        lengths: sizes that sum to ``len(dataset)``, or fractions that sum to 1 (what rounding leaves
            over goes round-robin to the first subsets).
        generator: source of the permutation; None is the global generator.

    Returns:
        One Subset per length.
    """
    total = len(dataset)  # type: ignore[arg-type]
    whole = sum(lengths)
    if abs(whole - 1) < 1e-9 and all(0 <= f <= 1 for f in lengths) and whole != total:
        sizes = [int(total * fraction) for fraction in lengths]
        for i in range(total - sum(sizes)):
            sizes[i % len(sizes)] += 1
    else:
        if any(int(n) != n or n < 0 for n in lengths) or whole != total:
            raise ValueError(
                f"random_split: lengths {list(lengths)} must be sizes that sum to the dataset's "
                f"{total} samples, or fractions that sum to 1"
            )
        sizes = [int(n) for n in lengths]
    order = minitorch.randperm(total, generator=generator).tolist()
    ends = list(accumulate(sizes))
    return [Subset(dataset, order[end - n : end]) for n, end in zip(sizes, ends, strict=True)]
