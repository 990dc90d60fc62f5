"""Sequences of different lengths in one batch: padded or packed."""

from __future__ import annotations

from collections import namedtuple

from ...ops import arange, cat, empty_like, full, tensor, zeros
from ...tensor import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from typing_extensions import Self

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence(
    namedtuple("PackedSequence", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"])
):
    """Sequences sorted by falling length, step by step: all first elements, all second, ...

    Attributes:
        data: (sum of lengths, *).
        batch_sizes: Number of sequences that reach each step, int64 on the CPU.
        sorted_indices: The permutation that sorted the sequences, or None.
        unsorted_indices: Its inverse, or None.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if isinstance(data, (list, tuple)) and len(data) == 2:
                data, batch_sizes = data
            else:
                raise ValueError("PackedSequence: batch_sizes is missing")
        if batch_sizes.device.type != "cpu":
            raise ValueError("batch_sizes should always be on CPU")
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same sequences, moved or converted as by `Tensor.to`."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self

        def move(indices: Tensor | None) -> Tensor | None:
            return None if indices is None else indices.to(data.device)

        return PackedSequence(
            data, self.batch_sizes, move(self.sorted_indices), move(self.unsorted_indices)
        )

    def cpu(self) -> PackedSequence:
        """On the CPU."""
        return self.to("cpu")

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On a GPU."""
        return self.to(*(args or ("cuda",)), **kwargs)

    def double(self) -> PackedSequence:
        """As float64."""
        return self.to(tensor(0.0).double().dtype)

    def float(self) -> PackedSequence:
        """As float32."""
        return self.to(tensor(0.0).float().dtype)

    def half(self) -> PackedSequence:
        """As float16."""
        return self.to(tensor(0.0).half().dtype)

    def pin_memory(self) -> PackedSequence:
        """In page-locked memory."""
        return PackedSequence(self.data.pin_memory(), *self[1:])

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return self.data.is_cuda


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes `permutation` (n,)."""
    if permutation is None:
        return None
    out = empty_like(permutation)
    out[permutation] = arange(permutation.numel(), device=permutation.device)
    return out


def _still_running(falling: list[int]) -> list[int]:
    """How many of the `falling` numbers exceed 0, 1, 2, ...: batch sizes from lengths, and back."""
    out = []
    n = len(falling)
    for t in range(falling[0]):
        while falling[n - 1] <= t:
            n -= 1
        out.append(n)
    return out


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Drop the padding of a batch.

    Args:
        input: (T, N, *), or (N, T, *) with `batch_first`.
        lengths: Length of each sequence, N ints, a list or a tensor on the CPU.
        batch_first: Layout of the input.
        enforce_sorted: Require falling lengths instead of sorting.

    Returns:
        The packed sequences.
    """
    counts = lengths.tolist() if isinstance(lengths, Tensor) else [int(n) for n in lengths]
    sorted_indices = None
    if not enforce_sorted:
        order = sorted(range(len(counts)), key=lambda i: -counts[i])
        sorted_indices = tensor(order, device=input.device)
        counts = [counts[i] for i in order]
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    x = input.transpose(0, 1) if batch_first else input
    if len(counts) != x.size(1):
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} "
            f"(batch_size={x.size(1)})"
        )
    if any(n <= 0 for n in counts):
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if counts != sorted(counts, reverse=True):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement."
        )
    if counts[0] > x.size(0):
        raise RuntimeError(
            f"Expected lengths of at most {x.size(0)}, the input's time steps, got {counts[0]}"
        )
    sizes = _still_running(counts)
    # Steps with the same number of rows are taken in one slice.
    parts = []
    start = 0
    for t in range(1, len(sizes) + 1):
        if t == len(sizes) or sizes[t] != sizes[start]:
            block = x[start:t, : sizes[start]]
            parts.append(block.reshape(-1, *block.shape[2:]))
            start = t
    data = parts[0] if len(parts) == 1 else cat(parts)
    return PackedSequence(data, tensor(sizes), sorted_indices, None)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Put the padding back.

    Args:
        sequence: The packed sequences.
        batch_first: Return (N, T, *) instead of (T, N, *).
        padding_value: Value of the padding.
        total_length: T; the longest sequence's length by default.

    Returns:
        The padded batch and the lengths (N,), both in the order before sorting.
    """
    sizes = sequence.batch_sizes.tolist()
    longest = len(sizes)
    if total_length is not None:
        if total_length < longest:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, "
                f"but got total_length={total_length} and max sequence length being {longest}"
            )
        longest = total_length
    data = sequence.data
    steps = []
    for rows in data.split(sizes):
        short = sizes[0] - rows.size(0)
        if short:
            fill = full(
                (short, *rows.shape[1:]), padding_value, dtype=data.dtype, device=data.device
            )
            rows = cat([rows, fill])
        steps.append(rows.unsqueeze(0))
    if longest > len(sizes):
        shape = (longest - len(sizes), sizes[0], *data.shape[1:])
        steps.append(full(shape, padding_value, dtype=data.dtype, device=data.device))
    padded = cat(steps)
    lengths = tensor(_still_running(sizes))
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices.cpu()]
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stack sequences of different lengths, filled up to the longest.

    Args:
        sequences: Tensors (L_i, *).
        batch_first: Return (N, T, *) instead of (T, N, *).
        padding_value: Value of the padding.
        padding_side: "right" or "left".

    Returns:
        The padded batch.
    """
    if isinstance(sequences, Tensor):
        sequences = sequences.unbind(0)
    sequences = list(sequences)
    if not sequences:
        raise RuntimeError("pad_sequence: received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"padding_side should be 'left' or 'right', got {padding_side!r}")
    longest = max(s.size(0) for s in sequences)
    rows = []
    for s in sequences:
        short = longest - s.size(0)
        if short:
            if padding_value == 0:
                fill = zeros((short, *s.shape[1:]), dtype=s.dtype, device=s.device)
            else:
                fill = full((short, *s.shape[1:]), padding_value, dtype=s.dtype, device=s.device)
            s = cat([s, fill] if padding_side == "right" else [fill, s])
        rows.append(s.unsqueeze(0 if batch_first else 1))
    return cat(rows, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of a padded batch, without the padding.

    Args:
        padded_sequences: (T, N, *), or (N, T, *) with `batch_first`.
        lengths: Length of each sequence, (N,).
        batch_first: Layout of the batch.
    """
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    rows = padded_sequences.unbind(0)
    return [row[:n] for row, n in zip(rows, lengths.tolist(), strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack tensors (L_i, *) of different lengths."""
    lengths = [s.size(0) for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The tensors (L_i, *) that `pack_sequence` packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
