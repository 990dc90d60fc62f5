"""Image classifiers."""

from __future__ import annotations

from .lenet import ConvNet, LeNet
from .resnet import (
    BasicBlock,
    Bottleneck,
    ResNet,
    cifar_resnet18,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
)

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "ConvNet",
    "LeNet",
    "ResNet",
    "cifar_resnet18",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
]
