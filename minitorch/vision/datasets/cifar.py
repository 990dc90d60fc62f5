"""CIFAR-10 and CIFAR-100 in the "python version" of their files."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .base import ArrayDataset, no_download


class CIFAR10(ArrayDataset):
    """Colour images of 32 x 32 pixels in ten classes, 50000 for training and 10000 for testing.

    Args:
        root: folder that holds ``cifar-10-batches-py`` (or is it), or ``cifar-10-python.tar.gz``.
        train: which part.
        transform: function of the PIL image.
        target_transform: function of the label.
        download: accepted for compatibility; there is no downloader, so absent files are an error.

    ``data`` is the uint8 array of shape (N, 32, 32, 3), ``targets`` the list of labels.
    """

    base_folder = "cifar-10-batches-py"
    archive = "cifar-10-python.tar.gz"
    train_files: tuple[str, ...] = tuple(f"data_batch_{i}" for i in range(1, 6))
    test_files: tuple[str, ...] = ("test_batch",)
    meta_file = "batches.meta"
    names_key = "label_names"
    labels_key = "labels"

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        import numpy as np

        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        names = self.train_files if train else self.test_files
        contents = self._read_files([*names, self.meta_file])
        images, self.targets = [], []
        for name in names:
            part = self._field(contents, name, "data"), self._field(contents, name, self.labels_key)
            images.append(np.asarray(part[0], np.uint8).reshape(-1, 3, 32, 32))
            self.targets += [int(label) for label in part[1]]
            if len(images[-1]) != len(part[1]):
                raise RuntimeError(
                    f"{type(self).__name__}: {name} differs in its numbers of images and labels"
                )
        self.data = np.ascontiguousarray(np.concatenate(images).transpose(0, 2, 3, 1))
        self.classes = list(self._field(contents, self.meta_file, self.names_key))

    def _field(self, contents: dict[str, Any], name: str, key: str) -> Any:
        try:
            return contents[name][key]
        except (KeyError, TypeError):
            raise RuntimeError(
                f"{type(self).__name__}: {name} has no field {key!r}; it is not a file of this set"
            ) from None

    def _read_files(self, names: list[str]) -> dict[str, Any]:
        base = str(self.root)
        for folder in (os.path.join(base, self.base_folder), base):
            if all(os.path.isfile(os.path.join(folder, name)) for name in names):
                contents = {}
                for name in names:
                    with open(os.path.join(folder, name), "rb") as file:
                        contents[name] = _unpickle(file, os.path.join(folder, name))
                return contents
        archive = os.path.join(base, self.archive)
        if os.path.isfile(archive):
            return self._read_archive(archive, names)
        raise no_download(type(self).__name__, os.path.join(base, self.base_folder), names)

    def _read_archive(self, archive: str, names: list[str]) -> dict[str, Any]:
        import tarfile
        import zlib

        contents: dict[str, Any] = {}
        try:
            with tarfile.open(archive, "r|gz") as tar:
                for member in tar:
                    name = os.path.basename(member.name)
                    file = tar.extractfile(member) if name in names else None
                    if file is not None:
                        contents[name] = _unpickle(file, f"{archive}:{member.name}")
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise RuntimeError(f"{archive} is damaged or truncated: {error}") from error
        missing = [name for name in names if name not in contents]
        if missing:
            raise RuntimeError(f"{archive} is incomplete: it has no {', '.join(missing)}")
        return contents


class CIFAR100(CIFAR10):
    """Colour images of 32 x 32 pixels in a hundred classes; files and arguments as for CIFAR10."""

    base_folder = "cifar-100-python"
    archive = "cifar-100-python.tar.gz"
    train_files = ("train",)
    test_files = ("test",)
    meta_file = "meta"
    names_key = "fine_label_names"
    labels_key = "fine_labels"


def _unpickle(file: Any, name: str) -> Any:
    import pickle

    from minitorch.utils.plain_pickle import PlainUnpickler

    try:
        return PlainUnpickler(file, encoding="latin1").load()
    except pickle.UnpicklingError as error:
        raise RuntimeError(f"{name}: {error}") from error
    except Exception as error:
        raise RuntimeError(f"{name} is damaged or truncated: {error!r}") from error
