"""Classify points on a plane: logistic regression, then a small network where a line cannot do it.

python examples/logistic_regression.py                # two clouds, a line separates them
python examples/logistic_regression.py --data rings   # two rings; watch the line fail and --hidden 16 succeed
"""

from __future__ import annotations

import argparse
import math

import minitorch as torch
from minitorch import nn
from minitorch.metrics import accuracy, precision, recall


def clouds(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two round clouds, with centres at (-1, -1) and (1, 1)."""
    labels = (torch.rand(count) < 0.5).to(torch.float32)
    centres = (labels * 2 - 1).reshape(-1, 1)
    return centres + 0.7 * torch.randn(count, 2), labels


def rings(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two rings around the origin, with radii 1 and 2."""
    labels = (torch.rand(count) < 0.5).to(torch.float32)
    angle, radius = 2 * math.pi * torch.rand(count), 1 + labels + 0.15 * torch.randn(count)
    return torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], 1), labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=("clouds", "rings"), default="clouds")
    parser.add_argument(
        "--hidden", type=int, default=0, help="hidden units; 0 is logistic regression"
    )
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    make = {"clouds": clouds, "rings": rings}[options.data]
    (x, y), (test_x, test_y) = make(options.points), make(options.points)

    if options.hidden:
        model: nn.Module = nn.Sequential(
            nn.Linear(2, options.hidden), nn.Tanh(), nn.Linear(options.hidden, 1)
        )
    else:
        model = nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    loss_fn = nn.BCEWithLogitsLoss()
    for step in range(options.steps):
        loss = loss_fn(model(x).squeeze(1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % max(options.steps // 10, 1) == 0 or step == options.steps - 1:
            print(f"step {step:4d}  loss {loss.item():.5f}")

    with torch.no_grad():
        chances, labels = torch.sigmoid(model(test_x).squeeze(1)), test_y.to(torch.int64)
    print(f"test accuracy   {accuracy(chances, labels).item():.4f}")
    print(f"test precision  {precision(chances, labels, 'binary').item():.4f}")
    print(f"test recall     {recall(chances, labels, 'binary').item():.4f}")


if __name__ == "__main__":
    main()
