"""Transforms made of other transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import minitorch
from minitorch import nn


def uniform(low: float, high: float) -> float:
    """One number from the global generator, evenly from [low, high)."""
    return low + (high - low) * float(minitorch.rand(1).item())


class Transform(nn.Module):
    """Base of transforms: a module whose repr names its arguments."""

    def extra_repr(self) -> str:
        items = {k: v for k, v in vars(self).items() if not k.startswith("_") and k != "training"}
        return ", ".join(f"{k}={v!r}" for k, v in items.items())


class Compose:
    """Apply transforms one after the other."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return "Compose(\n" + "".join(f"    {t!r}\n" for t in self.transforms) + ")"


class Lambda:
    """Apply a function."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda: needs a function, got {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"


class RandomApply(Transform):
    """Apply a list of transforms with probability p."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5) -> None:
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        if uniform(0, 1) >= self.p:
            return img
        for transform in self.transforms:
            img = transform(img)
        return img


class RandomChoice(Transform):
    """Apply one transform of a list.

    Args:
        transforms: the list.
        p: a weight per transform; equal by default.
    """

    def __init__(
        self, transforms: Sequence[Callable[[Any], Any]], p: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        if p is not None and len(p) != len(transforms):
            raise ValueError(f"RandomChoice: {len(p)} weights for {len(transforms)} transforms")
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        weights = list(self.p) if self.p is not None else [1.0] * len(self.transforms)
        left = uniform(0, sum(weights))
        for transform, weight in zip(self.transforms, weights, strict=True):
            left -= weight
            if left < 0:
                return transform(img)
        return self.transforms[-1](img)


class RandomOrder(Transform):
    """Apply all transforms of a list in random order."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        super().__init__()
        self.transforms = transforms

    def forward(self, img: Any) -> Any:
        for i in minitorch.randperm(len(self.transforms)).tolist():
            img = self.transforms[i](img)
        return img
