"""MNIST and the sets in its file format (IDX)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import minitorch

from .base import ArrayDataset, no_download

_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: str) -> Any:
    """Read an IDX file, gzipped if its name ends in .gz, into a NumPy array.

    Raises:
        RuntimeError: if the file is damaged or truncated; the text names it.
    """
    import gzip
    import zlib

    import numpy as np

    try:
        with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as file:
            raw = file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RuntimeError(f"{path} is damaged or truncated: {error}") from error
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in _TYPES:
        raise RuntimeError(f"{path} is not an IDX file: it starts with {raw[:4]!r}")
    rank, dtype = raw[3], np.dtype(_TYPES[raw[2]])
    start = 4 + 4 * rank
    shape = (
        tuple(int(n) for n in np.frombuffer(raw[:start], ">i4", offset=4))
        if len(raw) >= start
        else ()
    )
    size = start + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if len(raw) != size or len(shape) != rank:
        raise RuntimeError(
            f"{path} is damaged or truncated: shape {shape} needs {size} bytes, it has {len(raw)}"
        )
    array = np.frombuffer(raw, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))  # a copy that owns writable memory


def find_file(name: str, folders: list[str]) -> str | None:
    """The file of this name, plain or gzipped, in the first folder that has it."""
    spellings = [name, name.replace("-idx", ".idx")]
    for folder in folders:
        for spelling in spellings:
            for suffix in ("", ".gz"):
                path = os.path.join(folder, spelling + suffix)
                if os.path.isfile(path):
                    return path
    return None


class MNIST(ArrayDataset):
    """Handwritten digits, 60000 for training and 10000 for testing, 28 x 28 grey values.

    Args:
        root: folder with the IDX files, gzipped or not; ``root/raw`` and ``root/<ClassName>/raw`` are searched, too.
        train: which part.
        transform: function of the PIL image.
        target_transform: function of the label.
        download: accepted for compatibility; there is no downloader, so absent files are an error.

    ``data`` is the uint8 tensor of shape (N, 28, 28), ``targets`` the int64 tensor of shape (N,).
    """

    classes = (
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    )

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        name = type(self).__name__
        base = str(self.root)
        folders = [
            base,
            os.path.join(base, "raw"),
            os.path.join(base, name, "raw"),
            os.path.join(base, name),
        ]
        part = "train" if train else "t10k"
        names = [f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"]
        paths = [find_file(n, folders) for n in names]
        if None in paths:
            missing = [n + "[.gz]" for n, p in zip(names, paths, strict=True) if p is None]
            raise no_download(name, folders[2], missing)
        images, labels = (read_idx(str(p)) for p in paths)
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise RuntimeError(
                f"{name}: {paths[0]} has shape {images.shape} and {paths[1]} {labels.shape}; "
                "they do not belong together"
            )
        self.data = minitorch.from_numpy(images)
        self.targets = minitorch.from_numpy(labels.astype("int64"))


class FashionMNIST(MNIST):
    """Zalando's articles of clothing: MNIST's sizes and file format, ten kinds of clothes."""

    classes = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )


class KMNIST(MNIST):
    """Kuzushiji-MNIST: cursive Japanese characters in MNIST's sizes and file format."""

    classes = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
