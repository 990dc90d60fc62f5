"""Fashion-MNIST: all 60000 images, a network of 104426 parameters, over 92 % on the test set in 8 epochs.

    python examples/fashion_mnist.py                        # /usr/share/datasets/fashion-mnist
    python examples/fashion_mnist.py --data ~/data --epochs 6

(Debian and Ubuntu: apt install dataset-fashion-mnist.)
"""

from __future__ import annotations

import argparse
import time

import minitorch as torch
import minitorch.nn.functional as F
from minitorch import nn
from minitorch.metrics import classification_report, confusion_matrix
from minitorch.vision.datasets import FashionMNIST

MEAN, STD = 0.2860, 0.3530  # of the training images


class Net(nn.Module):
    """Three 3x3 convolutions with batch norm, each followed by 2x2 pooling."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in ((1, 32), (32, 64), (64, 128)):
            layers += [
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(128 * 3 * 3, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.flatten(self.features(x), 1)
        return self.classifier(self.dropout(x))


def load(root: str, train: bool, limit: int | None) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    dataset = FashionMNIST(root, train=train)
    images = (dataset.data[:limit].to(torch.float32) / 255 - MEAN) / STD
    return images.unsqueeze(1), dataset.targets[:limit], list(dataset.classes)


@torch.no_grad()
def predict(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    model.eval()
    return torch.cat([model(part).argmax(1) for part in images.split(500)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=4e-3, help="peak of the one-cycle schedule")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="2 epochs on 5000 images")
    parser.add_argument("--save", default=None, help="where the trained weights go")
    options = parser.parse_args()
    epochs, limit = (2, 5000) if options.quick else (options.epochs, None)

    torch.manual_seed(options.seed)
    images, labels, names = load(options.data, True, limit)
    test_images, test_labels, _ = load(options.data, False, 1000 if options.quick else None)
    device = torch.device(options.device)
    test_images = test_images.to(device)
    model = Net().to(device)
    print(f"{len(images)} images, {sum(p.numel() for p in model.parameters())} parameters")

    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=0.01)
    steps = -(-len(images) // options.batch_size)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=options.lr, total_steps=epochs * steps, pct_start=0.2
    )
    start = time.perf_counter()
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for index in torch.randperm(len(images)).split(options.batch_size):
            x, y = images[index].to(device), labels[index].to(device)
            if torch.rand(1).item() < 0.5:  # clothes have no left and right
                x = x.flip(-1)
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            total += loss.item() * len(y)
        guesses = predict(model, test_images).cpu()
        accuracy = (guesses == test_labels).to(torch.float32).mean().item()
        print(
            f"epoch {epoch + 1}/{epochs}  loss {total / len(images):.4f}  test accuracy {accuracy:.4f}  "
            f"{time.perf_counter() - start:.1f} s",
            flush=True,
        )
    print(classification_report(confusion_matrix(guesses, test_labels, 10), names))
    print(f"test accuracy {accuracy:.4f}")
    if options.save is not None:
        torch.save(model.state_dict(), options.save)


if __name__ == "__main__":
    main()
