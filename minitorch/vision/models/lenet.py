"""Small convolutional networks."""

from __future__ import annotations

import minitorch
from minitorch import nn
from minitorch.nn import functional as F


class LeNet(nn.Module):
    """LeNet-5 with max pooling and ReLU, the network of PyTorch's CIFAR-10 tutorial (62006 parameters).

    Args:
        num_classes: size of the output.
        in_channels: 3 for CIFAR, 1 for MNIST.
        image_size: 32, or 28 (the first convolution then pads to 32).

    Source: LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document recognition.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 3, image_size: int = 32) -> None:
        super().__init__()
        if image_size not in (28, 32):
            raise ValueError(f"LeNet: image_size must be 28 or 32, got {image_size}")
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=(32 - image_size) // 2)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: minitorch.Tensor) -> minitorch.Tensor:
        """Scores (N, num_classes) of images (N, in_channels, image_size, image_size)."""
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = minitorch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class ConvNet(nn.Module):
    """Two stages of two 3x3 convolutions with batch norm, then one hidden layer: small, quick and accurate.

    Args:
        num_classes: size of the output.
        in_channels: channels of the images.
        image_size: height and width of the images, divisible by 4.
        width: channels of the first stage; the second has twice as many.
        hidden: size of the hidden layer.
        dropout: probability in front of the two last layers.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        image_size: int = 28,
        width: int = 32,
        hidden: int = 128,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        if image_size % 4:
            raise ValueError(f"ConvNet: image_size must be divisible by 4, got {image_size}")

        def stage(inputs: int, outputs: int) -> list[nn.Module]:
            layers: list[nn.Module] = []
            for channels in (inputs, outputs):
                layers += [
                    nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
                    nn.BatchNorm2d(outputs),
                    nn.ReLU(),
                ]
            return [*layers, nn.MaxPool2d(2)]

        self.features = nn.Sequential(*stage(in_channels, width), *stage(width, 2 * width))
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(2 * width * (image_size // 4) ** 2, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: minitorch.Tensor) -> minitorch.Tensor:
        """Scores (N, num_classes) of images (N, in_channels, image_size, image_size)."""
        return self.classifier(self.features(x))
