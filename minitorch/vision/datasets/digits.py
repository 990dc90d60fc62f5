"""The handwritten digits that come with the package."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import minitorch

from .base import ArrayDataset
from .mnist import read_idx

_TRAIN = 1437


class Digits(ArrayDataset):
    """Optical Recognition of Handwritten Digits: 1797 images of 8 x 8 pixels, included in the package.

    The first 1437 images are the training part, the last 360 the test part, in the order of the file (the usual
    split of this set). Pixel values are scaled from 0..16 to 0..255.

    Args:
        root: ignored; accepted so that data sets can be exchanged.
        train: which part; None is both.
        transform: function of the PIL image.
        target_transform: function of the label.
        download: ignored.

    ``data`` is the uint8 tensor of shape (N, 8, 8), ``targets`` the int64 tensor of shape (N,).

    Source: E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, https://doi.org/10.24432/C50P49, licensed CC BY 4.0.
    """

    classes = tuple("0123456789")

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool | None = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(None, transform=transform, target_transform=target_transform)
        self.train = train
        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
        images = read_idx(os.path.join(folder, "digits-images-idx3-ubyte.gz"))
        labels = read_idx(os.path.join(folder, "digits-labels-idx1-ubyte.gz"))
        part = {True: slice(_TRAIN), False: slice(_TRAIN, None), None: slice(None)}[train]
        scaled = (images[part].astype("int16") * 255 + 8) // 16
        self.data = minitorch.from_numpy(scaled.astype("uint8"))
        self.targets = minitorch.from_numpy(labels[part].astype("int64"))
