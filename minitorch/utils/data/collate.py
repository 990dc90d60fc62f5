"""From a list of samples to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import minitorch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack samples into a batch.

    Tensors and arrays are stacked in a new dimension 0; ints become an int64 tensor and floats a float64 one;
    strings and bytes stay a list; mappings, tuples and lists are collated field by field.

    Args:
        batch: samples of the same structure.

    Returns:
        The structure of one sample, with a leading batch dimension in each field.
    """
    first = batch[0]
    if isinstance(first, minitorch.Tensor):
        shapes = {tuple(sample.shape) for sample in batch}
        if len(shapes) > 1:
            raise RuntimeError(
                f"default_collate: samples of one batch differ in shape: {sorted(shapes)}; "
                "pad them in the dataset or give the DataLoader a collate_fn"
            )
        return minitorch.stack(list(batch), 0)
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, bool):
        return minitorch.tensor(batch)
    if isinstance(first, float) and type(first) is float:
        return minitorch.tensor(batch, dtype=minitorch.float64)
    if isinstance(first, int):
        return minitorch.tensor(batch, dtype=minitorch.int64)
    if isinstance(first, Mapping):
        fields = {key: default_collate([sample[key] for sample in batch]) for key in first}
        return _same_type(first, fields)
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError(
                "default_collate: samples of one batch differ in length: "
                f"{sorted({len(sample) for sample in batch})}"
            )
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        if isinstance(first, tuple) and hasattr(first, "_fields"):
            return type(first)(*columns)
        return columns if isinstance(first, tuple) else _same_type(first, columns)
    if type(first).__module__ == "numpy":
        import numpy as np

        if isinstance(first, (np.ndarray, np.generic)) and first.dtype.kind in "biufc":
            return minitorch.from_numpy(np.stack([np.asarray(sample) for sample in batch]))
    raise TypeError(
        "default_collate: samples must hold tensors, numpy arrays, numbers, strings, mappings or "
        f"sequences, got {type(first).__name__}; give the DataLoader a collate_fn"
    )


def default_convert(data: Any) -> Any:
    """Turn numpy arrays inside a structure into tensors and leave everything else as it is."""
    if isinstance(data, (minitorch.Tensor, str, bytes)):
        return data
    if isinstance(data, Mapping):
        return _same_type(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence):
        return _same_type(data, [default_convert(value) for value in data])
    if type(data).__module__ == "numpy" and getattr(data, "dtype", None) is not None:
        return minitorch.as_tensor(data) if data.dtype.kind in "biufc" else data
    return data


def _same_type(model: Any, content: Any) -> Any:
    try:
        return type(model)(content)
    except TypeError:
        return content
