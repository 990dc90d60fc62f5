"""What the image data sets share: transforms, and errors that say which file goes where."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import minitorch
from minitorch.utils.data import Dataset


class DatasetNotFoundError(FileNotFoundError, RuntimeError):
    """A data set's files are missing; the text names each and where it belongs."""


class VisionDataset(Dataset[Any]):
    """Base of image data sets.

    Args:
        root: folder of the files.
        transforms: function of (image, target) that returns both.
        transform: function of the image, instead of transforms.
        target_transform: function of the target, instead of transforms.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        if transforms is not None and (transform is not None or target_transform is not None):
            raise ValueError(
                f"{type(self).__name__}: give transforms, or transform and target_transform, not both"
            )
        self.root = os.path.expanduser(os.fspath(root)) if root is not None else None
        self.transforms = transforms
        self.transform = transform
        self.target_transform = target_transform

    def _apply(self, image: Any, target: Any) -> tuple[Any, Any]:
        if self.transforms is not None:
            return self.transforms(image, target)
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __len__(self) -> int:
        raise NotImplementedError

    def __repr__(self) -> str:
        lines = [f"Dataset {type(self).__name__}", f"    Number of datapoints: {len(self)}"]
        if self.root is not None:
            lines.append(f"    Root location: {self.root}")
        for name in ("transforms", "transform", "target_transform"):
            if getattr(self, name) is not None:
                lines.append(f"    {name}: {getattr(self, name)!r}")
        return "\n".join(lines)


class ArrayDataset(VisionDataset):
    """Images and labels held in memory: ``data`` and ``targets``; samples are PIL images, as in torchvision."""

    data: Any
    targets: Any
    classes: Sequence[str] = ()

    @property
    def class_to_idx(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from PIL import Image

        image = self.data[index]
        if isinstance(image, minitorch.Tensor):
            image = image.numpy()
        return self._apply(Image.fromarray(image), int(self.targets[index]))


def no_download(name: str, folder: str, files: Sequence[str]) -> DatasetNotFoundError:
    """The error for missing files."""
    listing = "".join(f"\n  {file}" for file in files)
    return DatasetNotFoundError(
        f"{name}: files not found, and this library has no downloader. Put these into {folder}:{listing}"
    )
