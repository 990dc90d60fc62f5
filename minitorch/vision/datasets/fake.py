"""Random images, for trying a program without data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minitorch

from .base import VisionDataset


class FakeData(VisionDataset):
    """Random images and labels; sample i is the same each time.

    Args:
        size: number of samples.
        image_size: (channels, height, width).
        num_classes: number of classes.
        transform: function of the PIL image.
        target_transform: function of the label.
        random_offset: added to the index to seed a sample.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(None, transform=transform, target_transform=target_transform)
        self.size = size
        self.image_size = tuple(image_size)
        self.num_classes = num_classes
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not 0 <= index < self.size:
            raise IndexError(f"FakeData: index {index} out of range for {self.size} samples")
        from minitorch.vision.transforms.functional import to_pil_image

        generator = minitorch.Generator()
        generator.manual_seed(index + self.random_offset)
        pixels = minitorch.randint(0, 256, self.image_size, generator=generator)
        target = minitorch.randint(0, self.num_classes, (1,), generator=generator).item()
        return self._apply(to_pil_image(pixels.to(minitorch.uint8)), target)

    def __len__(self) -> int:
        return self.size
