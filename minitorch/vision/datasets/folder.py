"""Images in one folder per class."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from .base import DatasetNotFoundError, VisionDataset

IMG_EXTENSIONS = (
    ".jpg",
    ".jpeg",
    ".png",
    ".ppm",
    ".bmp",
    ".pgm",
    ".tif",
    ".tiff",
    ".webp",
)


def pil_loader(path: str) -> Any:
    """The image at a path, as an RGB PIL image."""
    from PIL import Image

    with Image.open(path) as image:
        return image.convert("RGB")


default_loader = pil_loader


class DatasetFolder(VisionDataset):
    """Samples in ``root/<class>/**/<file>``; classes are numbered in alphabetical order.

    Args:
        root: folder of class folders.
        loader: function from a path to a sample.
        extensions: file endings to take.
        transform: function of the sample.
        target_transform: function of the class number.
        is_valid_file: function of a path, instead of extensions.
        allow_empty: whether a class may be without files.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: Sequence[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        if (extensions is None) == (is_valid_file is None):
            raise ValueError("DatasetFolder: give either extensions or is_valid_file")
        self.loader = loader
        self.extensions = extensions
        endings = tuple(e.lower() for e in extensions or ())
        valid = is_valid_file or (lambda path: path.lower().endswith(endings))
        self.classes, self.class_to_idx = self.find_classes(str(self.root))
        self.samples = self._find_samples(str(self.root), valid, allow_empty)
        self.targets = [target for _, target in self.samples]

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """Class names and their numbers."""
        if not os.path.isdir(directory):
            raise DatasetNotFoundError(f"{type(self).__name__}: folder {directory} does not exist")
        classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        if not classes:
            raise DatasetNotFoundError(
                f"{type(self).__name__}: {directory} has no class folders; put images into "
                f"{os.path.join(directory, '<class name>')}"
            )
        return classes, {name: i for i, name in enumerate(classes)}

    def _find_samples(
        self, root: str, valid: Callable[[str], bool], allow_empty: bool
    ) -> list[tuple[str, int]]:
        samples: list[tuple[str, int]] = []
        empty: list[str] = []
        for name, number in sorted(self.class_to_idx.items()):
            before = len(samples)
            for folder, _, files in sorted(os.walk(os.path.join(root, name), followlinks=True)):
                paths = (os.path.join(folder, file) for file in sorted(files))
                samples += [(path, number) for path in paths if valid(path)]
            if len(samples) == before:
                empty.append(name)
        if empty and not allow_empty:
            wanted = f" with one of {', '.join(self.extensions)}" if self.extensions else ""
            raise DatasetNotFoundError(
                f"{type(self).__name__}: no files{wanted} for {', '.join(empty)} in {root}"
            )
        return samples

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._apply(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Images in ``root/<class>/**/<image>``; samples are RGB PIL images and class numbers.

    Args:
        root: folder of class folders.
        transform: function of the PIL image.
        target_transform: function of the class number.
        loader: function from a path to an image.
        is_valid_file: function of a path that says whether to take it.
        allow_empty: whether a class may be without files.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(
            root, loader, extensions, transform, target_transform, is_valid_file, allow_empty
        )
        self.imgs = self.samples
